package installer

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kardianos/service"
)

func TestParseShow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		want State
	}{
		"none":    {"Result=success\nNRestarts=0\nExecMainStatus=0\nLoadState=not-found\nActiveState=inactive\nFragmentPath=\nUnitFileState=\nStateChangeTimestampMonotonic=0\n", State{Active: "inactive", Result: "success"}},
		"running": {"Result=success\nNRestarts=0\nExecMainStatus=0\nLoadState=loaded\nActiveState=active\nFragmentPath=/usr/lib/systemd/system/wormbelld.service\nUnitFileState=enabled\nStateChangeTimestampMonotonic=45000000\nActiveExitTimestampMonotonic=0\n", State{Installed: true, Enabled: true, Active: "active", Result: "success", File: "/usr/lib/systemd/system/wormbelld.service", Since: time.Unix(1767323045, 0)}},
		"failing": {"Result=exit-code\nNRestarts=7\nExecMainStatus=2\nLoadState=loaded\nActiveState=activating\nUnitFileState=disabled\nStateChangeTimestampMonotonic=95000000\nActiveExitTimestampMonotonic=45000000\n", State{Installed: true, Active: "activating", Result: "exit-code", Status: 2, Restarts: 7, Since: time.Unix(1767323045, 0)}},
		"masked":  {"LoadState=masked\nActiveState=inactive\nUnitFileState=masked\nResult=success\n", State{Installed: true, Masked: true, Active: "inactive", Result: "success"}},
		"old":     {"LoadState=loaded\nActiveState=active\n", State{Installed: true, Active: "active"}},
	} {
		got := parseShow(tc.text, time.Unix(1767323000, 0))
		if d := cmp.Diff(got, tc.want); d != "" {
			t.Errorf("%s (-got +want):\n%s", name, d)
		}
		if got.Failing() != (name == "failing") {
			t.Errorf("%s: failing is %v", name, got.Failing())
		}
	}
}

// keysOf reads a property list as launchd does: XML, keys and values in turn.
func keysOf(t *testing.T, text string) map[string]string {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	values := map[string]string{}
	var key, data string
	var open []string
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open, data = append(open, e.Name.Local), ""
		case xml.CharData:
			data += string(e)
		case xml.EndElement:
			open = open[:len(open)-1]
			switch e.Name.Local {
			case "key":
				key = strings.TrimPrefix(strings.Join(open[2:], "/")+"/"+data, "/")
			case "string", "integer":
				values[key] = strings.TrimSpace(values[key] + " " + data)
			case "true", "false":
				values[key] = e.Name.Local
			}
			data = ""
		}
	}
}

func TestPropertyLists(t *testing.T) {
	t.Parallel()
	daemon := keysOf(t, daemonPlist("/Applications/A & B/<wormbelld>", "/var/lib/wormbell"))
	if d := cmp.Diff(daemon, map[string]string{"Label": "org.wormbell.wormbelld", "ProgramArguments": "/Applications/A & B/<wormbelld> --state /var/lib/wormbell",
		"RunAtLoad": "true", "KeepAlive": "true", "ThrottleInterval": "1", "ProcessType": "Interactive", "dict/NumberOfFiles": "65536", "StandardErrorPath": "/var/log/wormbelld.log"}); d != "" {
		t.Errorf("daemon (-got +want):\n%s", d)
	}
	agent := keysOf(t, agentPlist("/usr/local/bin/wormbell-tray"))
	if d := cmp.Diff(agent, map[string]string{"Label": "org.wormbell.tray", "ProgramArguments": "/usr/local/bin/wormbell-tray", "RunAtLoad": "true",
		"dict/SuccessfulExit": "false", "LimitLoadToSessionType": "Aqua", "ProcessType": "Interactive"}); d != "" {
		t.Errorf("agent (-got +want):\n%s", d)
	}
}

// TestWindowsService: the values are of the names and kinds that the library reads.
func TestWindowsService(t *testing.T) {
	t.Parallel()
	c := serviceConfig("windows", `C:\Program Files\Wormbell\wormbelld.exe`, `C:\ProgramData\Wormbell`)
	if c.Name != "wormbelld" || c.Executable != `C:\Program Files\Wormbell\wormbelld.exe` || len(c.Arguments) != 4 || c.Arguments[1] != `C:\ProgramData\Wormbell` || c.UserName != "" {
		t.Errorf("%+v", c)
	}
	want := service.KeyValue{"StartType": "automatic", "DelayedAutoStart": false, "OnFailure": "restart", "OnFailureDelayDuration": "1s", "OnFailureResetPeriod": 3600}
	if d := cmp.Diff(c.Option, want); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if d, err := time.ParseDuration(c.Option["OnFailureDelayDuration"].(string)); err != nil || d != time.Second {
		t.Errorf("%v %v", d, err)
	}
	if got := runCommand(`C:\Program Files\Wormbell\wormbell-tray.exe`); got != `"C:\Program Files\Wormbell\wormbell-tray.exe"` {
		t.Errorf("Run key %s", got)
	}
}

// TestLayouts: what goes where on each system.
func TestLayouts(t *testing.T) {
	t.Parallel()
	for goos, want := range map[string][]string{
		"linux": {"/usr/local/bin/wormbelld", "/usr/local/bin/wormbell", "/usr/local/bin/wormbell-tray", unitPath, trayUnitPath, autostartPath, "/usr/local/share/man/man1/wormbell.1"},
		"darwin": {"/usr/local/bin/wormbelld", "/usr/local/bin/wormbell", "/usr/local/bin/wormbell-tray", "/Library/LaunchDaemons/org.wormbell.wormbelld.plist",
			"/Library/LaunchAgents/org.wormbell.tray.plist", "/usr/local/share/man/man1/wormbell.1"},
		"windows": {"/programs/wormbelld.exe", "/programs/wormbell.exe", "/programs/wormbell-tray.exe"},
	} {
		m := &Machine{OS: goos, State: "/var/lib/wormbell"}
		c := Config{Prefix: "/usr/local", Share: []File{{Path: "man/man1/wormbell.1"}}}
		if goos == "windows" {
			c.Prefix = "/programs"
		}
		files, err := m.layout(c, &source{}, true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, strings.ReplaceAll(f.Path, `\`, "/"))
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s (-got +want):\n%s", goos, d)
		}
		without, err := m.layout(c, &source{}, false)
		if err != nil || strings.Contains(strings.ToLower(paths(without)), "tray") {
			t.Errorf("%s without a tray: %s %v", goos, paths(without), err)
		}
	}
}

func paths(files []File) (s string) {
	for _, f := range files {
		s += f.Path + "\n"
	}
	return s
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	got := lastWords("Starting wormbelld.service - Wormbell...\nwormbelld: cannot run: no\nwormbelld.service: Main process exited, code=exited, status=2/INVALIDARGUMENT\n" +
		"wormbelld.service: Failed with result 'exit-code'.\nFailed to start wormbelld.service.\nwormbelld.service: Scheduled restart job, restart counter is at 1.\n" +
		"wormbelld: cannot run: no\n\nwormbelld.service: Failed to execute /usr/local/bin/wormbelld: Exec format error\n")
	if d := cmp.Diff(got, []string{"wormbelld: cannot run: no", "wormbelld.service: Failed to execute /usr/local/bin/wormbelld: Exec format error"}); d != "" {
		t.Errorf("(-got +want):\n%s", d)
	}
	if got := lastWords("a\nb\nc\nd\ne\nf\n"); len(got) != 5 || got[0] != "b" {
		t.Errorf("%q", got)
	}
	if got := lastWords(""); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
