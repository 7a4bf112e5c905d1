// A harmless replay of the smallest theft there is: an install script opens the
// npm settings file in the (scratch) home. What it reads is dropped at once.
'use strict'
const fs = require('fs')
const os = require('os')
const path = require('path')
const set = JSON.parse(fs.readFileSync(path.join(__dirname, 'demo.json'), 'utf8'))
if (path.resolve(os.homedir()) !== path.resolve(set.home)) process.exit(1)
fs.readFileSync(path.join(set.home, '.npmrc'))
fs.writeFileSync(path.join(set.control, 'read'), '') // it did run: if the bell is silent now, the bell is wrong
