package tray_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wormbell"
	"wormbell/agent/client"
)

// own starts the agent as the person does who runs it themselves.
func (a *agent) own() {
	a.d.t.Helper()
	a.d.own(filepath.Dir(a.socket))
	a.program = a.d.start("wormbelld", a.d.command(filepath.Join(a.bin, "wormbelld"), "--state", filepath.Join(a.d.dir, "state"), "--socket", a.socket, "--home", a.d.home))
	until(a.d.t, "the agent to be ready", func() bool { return strings.Contains(a.said.String(), "msg=ready") })
	if s := a.status(); s.Privileged || s.User != fmt.Sprint(person) {
		a.d.t.Fatalf("the agent runs as %s, privileged %v", s.User, s.Privileged)
	}
}

// bare takes "private" from a project, which rings, and returns the alert.
func (a *agent) bare(project string) wormbell.Alert {
	a.d.t.Helper()
	file := filepath.Join(a.d.folder("home/"+project), "package.json")
	for _, text := range []string{`{"name":%q,"version":"1.0.0","private":true}`, `{"name":%q,"version":"1.0.0"}`} {
		before := a.manifests()
		if err := os.WriteFile(file, fmt.Appendf(nil, text, project), 0o644); err != nil {
			a.d.t.Fatal(err)
		}
		a.d.own(file)
		until(a.d.t, "the agent to see "+project, func() bool { return a.manifests() > before })
	}
	return a.alert("the alert about "+project, func(x wormbell.Alert) bool {
		return x.Findings[0].Detector == "private-flag-removed" && strings.Contains(fmt.Sprintf("%+v", x.Findings), project)
	})
}

// manifests is how many changes of manifests the agent has seen.
func (a *agent) manifests() int {
	a.d.t.Helper()
	for _, s := range a.status().Sensors {
		if s.Name == "manifests" {
			return s.Events
		}
	}
	a.d.t.Fatal("the agent looks at no manifests")
	return 0
}

// closed reports whether an alert is closed.
func (a *agent) closed(c *client.Client, id string) bool {
	a.d.t.Helper()
	x, err := c.Alert(a.d.t.Context(), id)
	return err == nil && x.State == wormbell.Closed
}

// curl is a browser of the person's, which keeps cookies.
func (d *desktop) curl(args ...string) string {
	d.t.Helper()
	jar := filepath.Join(d.home, "cookies")
	out, err := d.command("curl", append([]string{"-sS", "-L", "--max-time", "60", "-b", jar, "-c", jar, "-w", "\n%{url_effective}"}, args...)...).Output()
	if err != nil {
		d.t.Fatalf("curl: %v", err)
	}
	return string(out)
}

// TestUsersOwnAgent: who runs the agent themselves, without root, can do in the
// tray and in the dashboard that it opens what the menu and the pages offer,
// though both hide themselves from it.
func TestUsersOwnAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("needs some seconds")
	}
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	d := newDesktop(t)
	d.tools = d.folder("tools")
	// A browser that notes where it was sent.
	if err := os.WriteFile(filepath.Join(d.tools, "firefox"), []byte("#!/bin/sh\necho \"$1\" >\"$HOME/opened\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.browser = filepath.Join(d.tools, "firefox")
	a := d.agent(build(t, ""))
	tray, said := a.orphan()
	a.own()
	d.panel()
	if _, err := d.command("readlink", fmt.Sprintf("/proc/%d/exe", tray)).Output(); err == nil {
		t.Error("other programs of the person's can look into the tray")
	}
	first, second := a.bare("one"), a.bare("two")
	c := a.client()

	d.choose("Pause notifications", func() bool { return a.status().PausedUntil != nil })
	d.says("notifications paused until")
	d.choose("End the pause", func() bool { return a.status().PausedUntil == nil })

	var link string
	d.choose("Open the dashboard", func() bool {
		b, _ := os.ReadFile(filepath.Join(d.home, "opened"))
		line, _, whole := strings.Cut(string(b), "\n")
		link = line
		return whole
	})
	page := d.curl(link)
	root := page[strings.LastIndex(page, "\n")+1:]
	press := func(id string) {
		t.Helper()
		csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(d.curl(root + "alerts/" + id))
		if csrf == nil {
			t.Fatal("the alert has no form")
		}
		page := d.curl("-H", "Sec-Fetch-Site: same-origin", "-d", "csrf="+csrf[1], "-d", "reason=mine", root+"alerts/"+id+"/close")
		if !a.closed(c, id) {
			t.Errorf("the dashboard does not close it:\n%s", regexp.MustCompile(`(?s)<div id="flash".*?</div>`).FindString(page))
		}
	}
	press(first.ID)

	d.choose("Close", func() bool { return a.closed(c, second.ID) })
	// One that is started later has never seen what they run.
	a.end()
	a.own()
	c = a.client()
	third := a.bare("three")
	until(t, "the dashboard to find it", func() bool { return strings.Contains(d.curl(root+"alerts/"+third.ID), "csrf") })
	press(third.ID)
	calls, err := c.Calls(t.Context())
	if err != nil {
		t.Error(err)
	}
	by := map[string]string{}
	for _, e := range calls {
		by[e.Line] = e.Process.Name()
	}
	if by["close "+first.ID] != "wormbell" || by["close "+second.ID] != "wormbell-tray" || by["close "+third.ID] != "wormbell" {
		t.Errorf("it keeps as accepted %v", by)
	}
	if strings.Contains(said(), "not done") {
		t.Error("something that was chosen was refused")
	}
}
