package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	for _, tt := range []struct {
		name, text, wantErr string
	}{
		{"empty", "", ""},
		{"all", "homes = ['/home/ann']\nstores = []\nrefuse_backends = ['fanotify']\nstate = '/x'\nsocket = '/y'\nlog_level = 'debug'\nprotect = true\n", ""},
		{"unknown key", "hommes = ['/home/ann']\n", `no key "hommes"; did you mean "homes"?`},
		{"unknown key in a table", "[stores]\nnpm = true\n", "stores"},
		{"unknown backend", "refuse_backends = ['fanotfy']\n", `no "fanotfy"; did you mean "fanotify"?`},
		{"unknown store", "stores = ['nqm']\n", `did you mean "npm"?`},
		{"unknown level", "log_level = 'loud'\n", "log_level"},
		{"relative home", "homes = ['ann']\n", "not an absolute path"},
		{"wrong type", "homes = 1\n", "homes"},
		{"not TOML", "homes = [", "read settings"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config.toml")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(file, true)
			switch {
			case tt.wantErr == "" && err != nil:
				t.Errorf("Load = %v", err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("Load = %v, want an error that says %s", err, tt.wantErr)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none.toml")
	if _, err := Load(missing, false); err != nil {
		t.Errorf("a default file that does not exist: %v", err)
	}
	if _, err := Load(missing, true); err == nil {
		t.Error("a file that was asked for and does not exist is no error")
	}
	if _, err := Load("/dev/zero", true); err == nil {
		t.Error("a device was read as settings")
	}
}

func TestPeople(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(t.TempDir(), "passwd")
	st, err := os.Stat(home)
	if err != nil {
		t.Fatal(err)
	}
	uid := owner(st)
	if uid != 0 && (uid < 1000 || uid >= 60000) {
		t.Skipf("uid %d is neither root nor a person", uid)
	}
	line := func(shell, dir string) string {
		return strings.Join([]string{"x", "x", strconv.Itoa(uid), "1", "", dir, shell}, ":") + "\n"
	}
	for text, want := range map[string]int{
		line("/bin/bash", home):               1,
		line("/usr/sbin/nologin", home):       0,
		line("/bin/bash", home+"/none"):       0,
		"x:x:33:33::" + home + ":/bin/bash\n": 0, // a service
		"garbage\n":                           0,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := people(file); len(got) != want {
			t.Errorf("people(%q) = %v, want %d", text, got, want)
		}
	}
}
