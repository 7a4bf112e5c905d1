// A harmless replay of Shai-Hulud (2025), second step: read the credentials in
// the scratch home, then publish a patched version of a package of its owner.
// What is read is dropped at once; the only registry it will speak to is the
// one inside `wormbell demo`.
'use strict'
const fs = require('fs')
const http = require('http')
const os = require('os')
const path = require('path')
const { spawnSync } = require('child_process')
const set = JSON.parse(fs.readFileSync(path.join(__dirname, 'demo.json'), 'utf8'))
if (!/^http:\/\/127\.0\.0\.1:\d+\/$/.test(set.registry) || path.resolve(os.homedir()) !== path.resolve(set.home)) {
  process.exit(1)
}
fs.writeFileSync(path.join(set.control, 'pid'), String(process.pid))
process.on('exit', () => fs.writeFileSync(path.join(set.control, 'done'), ''))
setTimeout(() => process.exit(1), 60000).unref()

for (const file of ['.npmrc', '.aws/credentials', '.config/gh/hosts.yml']) {
  try { fs.readFileSync(path.join(set.home, file)) } catch {}
}
if (set.publish) {
  http.get(set.registry + set.victim + '/latest', { timeout: 5000 }, (res) => {
    let body = ''
    res.on('data', (part) => { body += part })
    res.on('end', () => {
      const { name, version } = JSON.parse(body)
      const parts = version.split('.')
      const dir = fs.mkdtempSync(path.join(set.home, '.cache-'))
      fs.writeFileSync(path.join(dir, 'package.json'), JSON.stringify({ name, version: `${parts[0]}.${parts[1]}.${Number(parts[2]) + 1}` }))
      fs.writeFileSync(path.join(dir, 'index.js'), 'module.exports = {}\n')
      spawnSync('npm', ['publish', '--registry', set.registry], { cwd: dir, stdio: 'ignore', timeout: 20000, shell: process.platform === 'win32' })
    })
  }).on('error', () => process.exit(1))
}
