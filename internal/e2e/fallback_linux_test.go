package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// nobody is a uid that no process of the machine has.
const nobody = 61234

// TestFsnotifyInServiceMode: as root with fanotify refused, the weaker
// backends find what they can and say what they cannot.
func TestFsnotifyInServiceMode(t *testing.T) {
	needRoot(t)
	needNPM(t)
	m := start(t, options{config: `refuse_backends = ["fanotify"]` + "\n"})
	m.fallbackSees(t)
	m.farm("~/food")
	m.rings("publish-loop")
	m.rings("private-flag-removed")
}

// TestOrdinaryUser: the same program per user, with the weaker backends.
func TestOrdinaryUser(t *testing.T) {
	needRoot(t) // to become another user
	m := prepare(t, options{user: nobody})
	m.launch(options{user: nobody})
	m.ready()
	m.fallbackSees(t)
	s := m.status()
	if s.Privileged || s.User != fmt.Sprint(nobody) {
		t.Errorf("status says privileged %v, user %s", s.Privileged, s.User)
	}
	before := m.sensor("manifests").Events
	m.write("~/late/package.json", `{"name":"late","version":"1.0.0","private":true}`)
	m.own(nobody)
	m.until("the new project to be known", 10*time.Second, func() bool { return m.sensor("manifests").Events > before })
	m.write("~/late/package.json", `{"name":"late","version":"1.0.0"}`)
	m.rings("private-flag-removed")
}

// fallbackSees checks that the status names a fallback and what it costs.
func (m *machine) fallbackSees(t *testing.T) {
	t.Helper()
	s := m.status()
	byName := map[string]wormbell.Sensor{}
	for _, sensor := range s.Sensors {
		byName[sensor.Name] = sensor
	}
	for _, name := range []string{"autostart", "credentials", "manifests", "nodemodules", "shellhistory"} {
		sensor := byName[name]
		if sensor.Backend == "" || strings.Contains(sensor.Backend, "fanotify") || sensor.Who || sensor.Why == "" {
			t.Errorf("sensor %s: backend %q, who %v, why %q; want a fallback that cannot see who and says why", name, sensor.Backend, sensor.Who, sensor.Why)
		}
	}
	for _, d := range s.Detectors {
		if d.ID == "credential-read" && d.Sees != "cannot see who" {
			t.Errorf("credential-read %s, want: cannot see who", d.Sees)
		}
	}
	out, _ := m.wormbell("status")
	if !strings.Contains(out, "fanotify") && !strings.Contains(out, "cannot") {
		t.Errorf("status does not say in words what is missing:\n%s", out)
	}
}

// farm runs the IndonesianFoods loop in a folder: three publishes.
func (m *machine) farm(dir string) {
	m.t.Helper()
	m.write(dir+"/package.json", `{"name":"food","version":"1.0.0","private":true}`)
	m.settle()
	m.write(dir+"/auto.js", `
const fs = require('fs'), {spawnSync} = require('child_process')
for (let i = 0; i < 3; i++) {
  const p = JSON.parse(fs.readFileSync('package.json'))
  delete p.private
  p.name = 'food-' + Math.floor(Math.random() * 1e9)
  p.version = '1.' + i + '.0'
  fs.writeFileSync('package.json', JSON.stringify(p))
  spawnSync('npm', ['publish'], {stdio: 'inherit'})
}`)
	m.must(dir, "setsid", "node", "auto.js")
}

// TestLateFiles: files and projects that appear while the agent runs are
// guarded like those that were there.
func TestLateFiles(t *testing.T) {
	needRoot(t)
	m := start(t, options{})
	m.write("~/.aws/credentials", "[default]\n")
	m.until("the new file to be guarded", 10*time.Second, func() bool {
		out, _ := m.wormbell("credentials", "--json")
		return strings.Contains(out, `"~/.aws/credentials"`) && guarded(out, "~/.aws/credentials")
	})
	m.write("~/steal.js", "require('fs').readFileSync(process.env.HOME + '/.aws/credentials'); require('fs').readFileSync(process.env.HOME + '/.npmrc')")
	m.must("~", "sh", "-c", "mv ~/.npmrc ~/.npmrc.new && cp ~/.npmrc.new ~/.x && mv ~/.x ~/.npmrc && node steal.js")
	m.rings("credential-read")
}

// guarded reports whether the JSON of `wormbell credentials` lists path as guarded.
func guarded(out, path string) bool {
	for _, part := range strings.SplitAfter(out, "}") {
		if strings.Contains(part, `"`+path+`"`) && strings.Contains(part, `"guarded"`) {
			return true
		}
	}
	return false
}

// sensor returns the state of one watcher.
func (m *machine) sensor(name string) wormbell.Sensor {
	m.t.Helper()
	for _, s := range m.status().Sensors {
		if s.Name == name {
			return s
		}
	}
	m.t.Fatalf("no sensor %q", name)
	return wormbell.Sensor{}
}
