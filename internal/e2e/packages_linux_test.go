package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// packaged is a program that reads npm's file, as package managers do when they
// start. It stays a moment, so that it can be looked at on a busy machine.
const packaged = "#!/usr/bin/env node\nrequire('fs').readFileSync(process.env.HOME + '/.npmrc')\nsetTimeout(() => {}, 200)\n"

// TestPackagedClients: package managers and registry tools that npx fetched or that
// a project brings, with a real npm. What matters is who wrote their folders, so
// that scripts stand for them.
func TestPackagedClients(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	files := map[string]string{"bin/pnpm.cjs": packaged, "bin/yarn.js": packaged, "cli.js": packaged}
	m.seed(pkg{name: "pnpm", version: "10.1.0", bin: "bin/pnpm.cjs", files: files})
	m.seed(pkg{name: "yarn", version: "1.22.22", bin: "bin/yarn.js", files: files, scripts: map[string]any{"preinstall": "node -e 0"}})
	m.seed(pkg{name: "lerna", version: "8.0.0", bin: "cli.js", files: files})
	m.seed(pkg{name: "other", version: "1.0.0", bin: "bin/pnpm.cjs", files: files})
	m.seed(pkg{name: "writes", version: "1.0.0", scripts: map[string]any{"postinstall": "echo '// more' >>../pnpm/bin/pnpm.cjs; echo '// more' >>../lerna/cli.js"}})
	m.seed(pkg{name: "moves", version: "1.0.0", files: map[string]string{"mine/package.json": `{"name":"pnpm","version":"10.1.0"}`, "mine/bin/pnpm.cjs": packaged},
		scripts: map[string]any{"postinstall": "rm -rf ../pnpm && cp -r mine ../pnpm && chmod 755 ../pnpm/bin/pnpm.cjs"}})
	m.seed(pkg{name: "runs", version: "1.0.0", scripts: map[string]any{"postinstall": "../.bin/pnpm install"}})
	project := func(name, dependencies, scripts string) string {
		m.write("~/"+name+"/package.json", `{"name":"app","version":"1.0.0","private":true,"scripts":{`+scripts+`},"dependencies":{`+dependencies+`}}`)
		m.must("~/"+name, "npm", "install")
		return "~/" + name
	}

	// An ordinary day.
	m.must("~", "npx", "--yes", "pnpm", "install")
	m.must("~", "npx", "--yes", "yarn", "install")
	// yarn's script is no reason to doubt yarn; what npm wrote within a tick of its
	// end could be its doing in another package, so that is not asked here.
	project("yarns", `"yarn":"^1"`, "")
	m.must("~/yarns", "npx", "yarn", "install")
	app := project("app", `"pnpm":"^10","lerna":"8"`, `"release":"pnpm publish -r --dry-run"`)
	m.must(app, "npm", "run", "release")
	m.must(app, "npx", "yarn", "install")
	m.must(app, "git", "init", "-q")
	m.write(app+"/.git/hooks/pre-commit", "#!/bin/sh\nexec node_modules/.bin/pnpm install\n")
	m.must(app, "chmod", "755", m.path(app+"/.git/hooks/pre-commit"))
	m.must(app, "git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "a")
	m.must(app, "setsid", "-w", "node_modules/.bin/pnpm", "install") // as a service starts it
	m.must(app, "rm", "-rf", m.path(app+"/node_modules"))
	m.must(app, "npm", "ci")
	m.must(app, "npm", "run", "release")
	if !crowded() {
		m.quiet("an ordinary day")
	}
	m.must(app, "npx", "lerna", "publish")
	if !crowded() {
		m.quiet("a registry tool")
		if _, f := m.rings("credential-read"); f.Severity != wormbell.Low || !strings.Contains(f.Summary, "known to use your registry") {
			t.Errorf("a registry tool is told of as %s: %s", f.Severity, f.Summary)
		}
	}

	// What only looks like it.
	for _, v := range []struct {
		name, dependencies, scripts string
		run                         []string
	}{
		{"alias", `"pnpm":"npm:other@1.0.0"`, `"x":"node node_modules/pnpm/bin/pnpm.cjs install"`, []string{"npm", "run", "x"}},
		{"written", `"pnpm":"10.1.0","lerna":"8.0.0","writes":"1.0.0"`, "", []string{"npx", "pnpm", "install"}},
		{"tool", `"lerna":"8.0.0","pnpm":"10.1.0","writes":"1.0.0"`, "", []string{"npx", "lerna", "publish"}},
		{"moved", `"pnpm":"10.1.0","moves":"1.0.0"`, "", []string{"npx", "pnpm", "install"}},
		{"below", `"pnpm":"10.1.0","runs":"1.0.0"`, "", nil},
		{"later", `"pnpm":"10.1.0"`, `"dev":"echo '// more' >>node_modules/pnpm/bin/pnpm.cjs","release":"pnpm publish --dry-run"`, []string{"sh", "-c", "npm run dev && npm run release"}},
		{"loads", `"pnpm":"10.1.0"`, `"x":"echo 0 >x.js; NODE_OPTIONS=--require=./x.js pnpm install"`, []string{"npm", "run", "x"}},
	} {
		t.Run(v.name, func(t *testing.T) {
			m.t = t
			dir := project(v.name, v.dependencies, v.scripts)
			if v.run != nil {
				m.must(dir, v.run...)
			}
			m.readsIn(v.name)
		})
	}
	t.Run("by its program's name", func(t *testing.T) {
		m.t = t
		m.write("~/named/x", "")
		m.must("~/named", "npx", "--yes", "other", "install")
		m.readsIn("named")
	})
	m.t = t
}

// TestPackageWriters: who may write to a package manager among packages while it is
// installed. The times of the files say nothing here: no script of the same install
// is alive when they are written, or what a script wrote is moved there afterwards.
func TestPackageWriters(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{})
	files := map[string]string{"bin/pnpm.cjs": packaged}
	m.seed(pkg{name: "pnpm", version: "10.1.0", bin: "bin/pnpm.cjs", files: files})
	m.seed(pkg{name: "@oven/bun-linux-x64", version: "1.0.0", files: map[string]string{"bin/bun": packaged}})
	m.seed(pkg{name: "bun", version: "1.0.0", bin: "bin/bun.exe", files: map[string]string{"bin/bun.exe": "#!/bin/sh\n"},
		scripts: map[string]any{"postinstall": "mv -f ../@oven/bun-linux-x64/bin/bun bin/bun.exe; chmod 755 bin/bun.exe"}})
	m.seed(pkg{name: "early", version: "1.0.0", scripts: map[string]any{"preinstall": "echo '// more' >>../@oven/bun-linux-x64/bin/bun"}})
	// It waits until its victim's folder is there, for at most a minute, and writes by the way that it is told.
	waits := func(name, how string) {
		m.seed(pkg{name: name, version: "1.0.0", scripts: map[string]any{"postinstall": `v=$HOME/` + name + `-victim/node_modules/pnpm; touch $HOME/` + name + `-ready; ` +
			`i=0; while [ ! -s $v/bin/pnpm.cjs ] && [ $i -lt 6000 ]; do sleep .01; i=$((i+1)); done; ` + how}})
	}
	waits("appends", "echo '// more' >>$v/bin/pnpm.cjs")
	waits("links", "ln $v/bin/pnpm.cjs mine && echo '// more' >>mine")
	waits("detaches", "(setsid sh -c \"sleep .05; echo '// more' >>$v/bin/pnpm.cjs\" >/dev/null 2>&1 &)")
	project := func(name, dependencies, scripts string) {
		m.write("~/"+name+"/package.json", `{"name":"app","version":"1.0.0","private":true,"scripts":{`+scripts+`},"dependencies":{`+dependencies+`}}`)
	}
	for _, name := range []string{"appends", "links", "detaches"} {
		t.Run(name, func(t *testing.T) {
			m.t = t
			project(name, `"`+name+`":"1.0.0"`, "")
			// The project's own script keeps npm at work until the other one has written.
			project(name+"-victim", `"pnpm":"10.1.0"`, `"postinstall":"sleep 2"`)
			worm := m.background("sh", "-c", "cd ~/"+name+" && exec npm install")
			m.until("the script waits", 60*time.Second, func() bool { _, err := os.Stat(m.path("~/" + name + "-ready")); return err == nil })
			m.must("~/"+name+"-victim", "npm", "install")
			<-worm.done
			m.must("~/"+name+"-victim", "npx", "pnpm", "install")
			m.readsIn(name + "-victim")
		})
	}
	t.Run("prepared", func(t *testing.T) {
		m.t = t
		project("prepared", `"bun":"1.0.0","@oven/bun-linux-x64":"1.0.0","early":"1.0.0"`, "")
		m.must("~/prepared", "npm", "install")
		m.must("~/prepared", "npx", "bun", "install")
		m.readsIn("prepared")
	})
	m.t = t
}

// crowded reports whether another agent than the test's runs, with its watchdog: then
// somebody else tests on this machine, and what dependencies' scripts there leave
// behind counts here, as it should.
func crowded() bool {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	agents := 0
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == "wormbelld" {
			agents++
		}
	}
	return agents > 2
}

// readsIn waits for a read above low by a process that was started in a folder of the home.
func (m *machine) readsIn(folder string) {
	m.t.Helper()
	m.until("a read in "+folder, 20*time.Second, func() bool {
		for _, a := range m.alerts() {
			for _, f := range a.Findings {
				if f.Detector == "credential-read" && f.Severity >= wormbell.High && strings.Contains(f.Summary, " in ~/"+folder+")") {
					return true
				}
			}
		}
		return false
	})
}
