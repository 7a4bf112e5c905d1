package tray_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"wormbell"
	"wormbell/internal/words"
	"wormbell/tray"
	"wormbell/tray/notify"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// theft is an alert as the agent makes it.
func theft(id string, by *wormbell.Process) wormbell.Alert {
	return wormbell.Alert{ID: id, Title: "A program read your credentials", Severity: wormbell.High, State: wormbell.Open, User: "1000",
		First: noon.Add(-time.Hour), Last: noon.Add(-time.Hour), Count: 1,
		Findings: []wormbell.Finding{{Detector: "credential-read", Subject: "~/.npmrc", Severity: wormbell.High, Summary: "it read your npm tokens (~/.npmrc)",
			Evidence: []wormbell.Event{{Time: noon.Add(-time.Hour), Kind: wormbell.FileRead, Path: "~/.npmrc", User: "1000", Process: by}}}}}
}

func dependency(name string) *wormbell.Process {
	npm := &wormbell.Process{PID: 40, Exe: "/usr/bin/npm", Args: []string{"npm", "install", name}, Cwd: "~/app", Signer: "deb:npm"}
	return &wormbell.Process{PID: 41, Exe: "/usr/bin/node", Script: "~/app/node_modules/" + name + "/steal.js", Args: []string{"node", "steal.js"},
		Lifecycle: "postinstall", Package: &wormbell.Package{Ecosystem: "npm", Name: name, Version: "1.0.0"}, Parent: npm}
}

func healthy() wormbell.Status {
	return wormbell.Status{Owner: true, Events: 100_000, Sensors: []wormbell.Sensor{{Name: "credentials", Backend: "fanotify", Who: true}},
		Detectors: []wormbell.DetectorStatus{{ID: "credential-read", Title: "A program reads your credentials", Sees: "sees"}}}
}

// models are the states of the tray, by name.
func models() []struct {
	name string
	tray.Model
} {
	var out []struct {
		name string
		tray.Model
	}
	add := func(name string, change func(*tray.Model)) {
		m := tray.Model{Agent: tray.Here, Status: healthy(), Now: noon, Browser: true, Terminal: true}
		change(&m)
		out = append(out, struct {
			name string
			tray.Model
		}{name, m})
	}
	soon, tomorrow := noon.Add(40*time.Minute), noon.Add(20*time.Hour)
	add("connecting", func(m *tray.Model) { *m = tray.Model{Now: noon, Browser: true} })
	add("absent", func(m *tray.Model) { m.Agent = tray.Absent })
	add("forbidden", func(m *tray.Model) { m.Agent = tray.Forbidden })
	add("impostor", func(m *tray.Model) { m.Agent = tray.Impostor })
	add("quiet", func(m *tray.Model) {})
	add("paused", func(m *tray.Model) { m.Status.PausedUntil = &soon })
	add("paused for everybody", func(m *tray.Model) { m.Status.PausedUntil, m.Status.PausedForAll = &soon, true })
	add("paused for everybody, by root", func(m *tray.Model) { m.Status.PausedUntil, m.Status.PausedForAll, m.Status.Owner = &soon, true, false })
	add("paused by themselves, root's agent", func(m *tray.Model) { m.Status.PausedUntil, m.Status.Owner = &soon, false })
	add("paused until tomorrow", func(m *tray.Model) { m.Status.PausedUntil = &tomorrow })
	add("the pause is over", func(m *tray.Model) { past := noon; m.Status.PausedUntil = &past })
	add("a sensor is down", func(m *tray.Model) { m.Status.Sensors[0].Backend = "" })
	add("two problems", func(m *tray.Model) {
		m.Status.Problems = []string{"the disk is full, so alerts are kept in memory only until there is room for them again", "another"}
	})
	add("not root", func(m *tray.Model) {
		m.Status.Sensors[0] = wormbell.Sensor{Name: "credentials", Backend: "inotify", Why: "who reads is a guess: it needs root"}
		m.Status.Detectors[0].Sees = "cannot see who"
	})
	add("blind", func(m *tray.Model) { m.Status.Detectors[0].Sees = "blind" })
	add("a few lost", func(m *tray.Model) { m.Status.Lost = 1 })
	add("many lost", func(m *tray.Model) { m.Status.Lost = 5000 })
	add("protect is on", func(m *tray.Model) { m.Status.Protect = true })
	add("protect is root's", func(m *tray.Model) { m.Status.Owner = false })
	add("protect is root's, and on", func(m *tray.Model) { m.Status.Owner, m.Status.Protect = false, true })
	add("protect cannot", func(m *tray.Model) { m.Status.ProtectWhy = "this version only observes" })
	add("protect is on and cannot", func(m *tray.Model) { m.Status.Protect, m.Status.ProtectWhy = true, "this version only observes" })
	add("pause and protect are locked", func(m *tray.Model) {
		m.Status.Settings = []wormbell.Setting{{Key: "protect", Locked: true, LockedBy: "/etc/wormbell/a.toml"}, {Key: "pause", Locked: true, LockedBy: "/etc/wormbell/a.toml"}}
	})
	add("protect is on, and locked", func(m *tray.Model) {
		m.Status.Protect, m.Status.Settings = true, []wormbell.Setting{{Key: "protect", Locked: true, LockedBy: "/etc/wormbell/a.toml"}}
	})
	add("paused, and locked since", func(m *tray.Model) {
		m.Status.PausedUntil, m.Status.Settings = &soon, []wormbell.Setting{{Key: "pause", Locked: true, LockedBy: "/etc/wormbell/a.toml"}}
	})
	add("an alert", func(m *tray.Model) { m.Alerts = []wormbell.Alert{theft("abcd2345", dependency("evil_pkg"))} })
	add("an alert whose processes have ended", func(m *tray.Model) {
		m.Alerts = []wormbell.Alert{theft("abcd2345", dependency("evil_pkg"))}
		m.Alerts[0].Over = true
	})
	add("an alert, frozen", func(m *tray.Model) {
		a := theft("abcd2345", dependency("evil_pkg"))
		a.Actions = []wormbell.Action{{What: "freeze"}, {What: "resume"}, {Time: a.Last, What: "freeze"}}
		m.Alerts = []wormbell.Alert{a}
	})
	add("an alert, frozen in vain", func(m *tray.Model) {
		a := theft("abcd2345", dependency("evil_pkg"))
		a.Actions = []wormbell.Action{{What: "freeze-none", Left: 1}}
		m.Alerts = []wormbell.Alert{a}
	})
	add("an alert of a demonstration", func(m *tray.Model) {
		m.Alerts = []wormbell.Alert{theft("abcd2345", dependency("evil"))}
		m.Alerts[0].Demo = true
	})
	add("alerts of every severity", func(m *tray.Model) {
		for i, s := range []wormbell.Severity{wormbell.Critical, wormbell.High, wormbell.Medium, wormbell.Low} {
			a := theft(fmt.Sprintf("abcd234%d", i), dependency("evil"))
			a.Severity = s
			m.Alerts = append(m.Alerts, a)
		}
	})
	add("an alert, and a pause", func(m *tray.Model) {
		m.Alerts, m.Status.PausedUntil = []wormbell.Alert{theft("abcd2345", dependency("evil"))}, &tomorrow
	})
	add("an alert, held back by do-not-disturb", func(m *tray.Model) {
		m.Alerts, m.Held = []wormbell.Alert{theft("abcd2345", dependency("evil"))}, notify.Held{Alerts: 1}
	})
	add("an alert, and the screen is shared", func(m *tray.Model) {
		m.Alerts, m.Held = []wormbell.Alert{theft("abcd2345", dependency("evil"))}, notify.Held{Alerts: 3, ScreenShared: true}
	})
	add("an alert of nobody known", func(m *tray.Model) { m.Alerts = []wormbell.Alert{theft("abcd2345", nil)} })
	add("eight alerts", func(m *tray.Model) {
		for i := range 8 {
			a := theft(fmt.Sprintf("abcd234%d", i), dependency(fmt.Sprintf("evil%d", i)))
			a.Last = noon.Add(-time.Duration(i) * 5 * time.Hour)
			m.Alerts = append(m.Alerts, a)
		}
	})
	add("eight alerts, the gravest oldest, and demonstrations", func(m *tray.Model) {
		for i, s := range []wormbell.Severity{wormbell.Critical, wormbell.Medium, wormbell.Medium, wormbell.High, wormbell.Medium, wormbell.Medium, wormbell.Medium, wormbell.Critical} {
			a := theft(fmt.Sprintf("abcd234%d", i), dependency(fmt.Sprintf("evil%d", i)))
			a.Severity, a.Demo, a.Last = s, i < 1, noon.Add(-time.Duration(i)*time.Minute)
			m.Alerts = append(m.Alerts, a)
		}
	})
	add("notices cannot be shown", func(m *tray.Model) { m.Untold = true })
	add("notices cannot be shown, nor is there an agent", func(m *tray.Model) { m.Agent, m.Untold = tray.Absent, true })
	add("a frozen alert, no browser", func(m *tray.Model) {
		m.Browser = false
		a := theft("abcd2345", dependency("evil"))
		a.Actions = []wormbell.Action{{Time: a.Last, What: "freeze", Done: 1}}
		m.Alerts = []wormbell.Alert{a}
	})
	add("eight alerts, no browser", func(m *tray.Model) {
		m.Browser = false
		for i := range 8 {
			m.Alerts = append(m.Alerts, theft(fmt.Sprintf("abcd234%d", i), dependency("evil")))
		}
	})
	add("neither browser nor terminal", func(m *tray.Model) {
		m.Browser, m.Terminal = false, false
		m.Alerts = []wormbell.Alert{theft("abcd2345", dependency("evil"))}
	})
	add("neither browser nor terminal nor notices", func(m *tray.Model) {
		m.Browser, m.Terminal, m.Untold = false, false, true
		m.Alerts = []wormbell.Alert{theft("abcd2345", dependency("evil"))}
	})
	return out
}

// text is a menu as one reads it: what can be chosen is followed by what it does.
func text(items []tray.Item, indent string) string {
	var b strings.Builder
	for _, i := range items {
		switch {
		case i.Separator:
			b.WriteString(indent + "----\n")
			continue
		case i.Checkbox && i.Checked:
			b.WriteString(indent + "[x] " + i.Label)
		case i.Checkbox:
			b.WriteString(indent + "[ ] " + i.Label)
		default:
			b.WriteString(indent + i.Label)
		}
		switch {
		case i.Disabled:
			b.WriteString("  (grey)")
		case i.Do.Verb != "":
			b.WriteString("  -> " + strings.TrimSpace(string(i.Do.Verb)+" "+i.Do.Alert))
		}
		b.WriteString("\n" + text(i.Items, indent+"    "))
	}
	return b.String()
}

// TestMenu: every state's icon and menu, in both languages.
func TestMenu(t *testing.T) {
	t.Parallel()
	for _, tag := range []language.Tag{language.English, language.Japanese} {
		var b strings.Builder
		for _, m := range models() {
			m.Words = words.In(tag)
			icon := tray.IconOf(m.Model)
			fmt.Fprintf(&b, "== %s: icon %s %d\n%s\n", m.name, icon.State, icon.Count, text(tray.Menu(m.Model), ""))
		}
		file := "testdata/menus-" + tag.String() + ".golden"
		if *update {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
		for i := range max(len(got), len(wanted)) {
			if i >= len(got) || i >= len(wanted) || got[i] != wanted[i] {
				t.Fatalf("%s:%d differs; run go test ./tray -run TestMenu -update and read what changed\ngot  %s", file, i+1, strings.Join(got[i:min(i+3, len(got))], "\n     "))
			}
		}
	}
}

// TestMenuOfAttackers: names that a worm chose neither break a line nor push
// anything off the screen nor look like another line.
func TestMenuOfAttackers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\nb", "a\x1b]0;x\x07", "a\u202eb", "a\u200bb\u2066", "<b>&amp;</b><img src=x onerror=alert(1)>", "_Q_uit &File\tCtrl+Q",
		strings.Repeat("w", 5000), strings.Repeat("蟲", 500), "\xff\xfe", "", "../../..", "%s%n%[9]d"} {
		for _, tag := range []language.Tag{language.English, language.Japanese} {
			by := dependency(name)
			by.Exe, by.Script, by.Args = "/tmp/"+name, "~/"+name, []string{name, name}
			a := theft("abcd2345", by)
			a.Title, a.Advice, a.Findings[0].Summary, a.Findings[0].Subject = name, name, name, name
			b := a
			b.Findings = nil
			s := healthy()
			s.Problems, s.ProtectWhy, s.Sensors[0].Name, s.Sensors[0].Backend = []string{name, name}, name, name, ""
			check(t, tray.Menu(tray.Model{Agent: tray.Here, Why: name, Status: s, Alerts: []wormbell.Alert{a, b}, Words: words.In(tag), Now: noon, Browser: true}))
		}
	}
}

// labelMost is how long a line may be; menu.go says why.
const labelMost = 72

func check(t *testing.T, items []tray.Item) {
	t.Helper()
	for _, i := range items {
		if i.Separator {
			continue
		}
		if n := utf8.RuneCountInString(i.Label); n == 0 || n > labelMost || strings.ContainsFunc(i.Label, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a line of %d characters: %q", n, i.Label)
		}
		if strings.Contains(i.Label, "%!") {
			t.Errorf("a sentence without its data: %q", i.Label)
		}
		check(t, i.Items)
	}
}

// TestMenuIsSafeToMisclick: nothing that loosens the guard is at the top of an
// alert's menu, and "It was me" is a question.
func TestMenuIsSafeToMisclick(t *testing.T) {
	t.Parallel()
	m := tray.Model{Agent: tray.Here, Status: healthy(), Alerts: []wormbell.Alert{theft("abcd2345", dependency("evil"))}, Words: words.In(language.English), Now: noon, Browser: true}
	for _, i := range tray.Menu(m) {
		if len(i.Items) == 0 {
			continue
		}
		for at, sub := range i.Items {
			if (sub.Do.Verb == tray.Close || sub.Do.Verb == tray.Resume) && at < 3 {
				t.Errorf("%q is line %d", sub.Label, at)
			}
			if sub.Do.Verb == tray.ItWasMe && !strings.HasSuffix(sub.Label, "…") {
				t.Errorf("%q does not say that it asks", sub.Label)
			}
		}
	}
}
