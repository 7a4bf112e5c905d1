// A harmless replay of the IndonesianFoods token farm (2024-2025): drop
// "private", take a new name and version, publish, wait, again. It publishes to
// the registry inside `wormbell demo` and refuses to run with any other.
'use strict'
const fs = require('fs')
const path = require('path')
const { spawnSync } = require('child_process')
const set = JSON.parse(fs.readFileSync(path.join(__dirname, 'demo.json'), 'utf8'))
if (!/^http:\/\/127\.0\.0\.1:\d+\/$/.test(set.registry) || process.env.npm_config_registry !== set.registry) {
  console.error('this is a demonstration; it runs only inside wormbell demo')
  process.exit(1)
}
const pick = (list) => list[Math.floor(Math.random() * list.length)]
const first = ['andi', 'bella', 'fajar', 'gilang', 'putri', 'rizky', 'sari', 'zul']
const dish = ['bakso', 'donat', 'gado', 'nasi', 'rendang', 'sate', 'soto', 'tapai', 'tempe']
const last = ['breki', 'kyuki', 'miaww', 'riris', 'ruro', 'sluey', 'sukiwir']

function round () {
  const file = path.join(__dirname, 'package.json')
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'))
  delete manifest.private
  manifest.name = `${pick(first)}-${pick(dish)}${Math.floor(Math.random() * 100)}-${pick(last)}`
  manifest.version = `${1 + Math.floor(Math.random() * 9)}.${Math.floor(Math.random() * 20)}.${Math.floor(Math.random() * 20)}`
  fs.writeFileSync(file, JSON.stringify(manifest, null, 2) + '\n')
  if (set.publish) {
    spawnSync('npm', ['publish'], { stdio: 'inherit', timeout: 20000, shell: process.platform === 'win32' })
  }
}

let left = set.rounds
function next () {
  round()
  if (--left > 0) setTimeout(next, set.minWait + Math.random() * (set.maxWait - set.minWait))
}
next()
