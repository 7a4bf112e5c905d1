package packaging_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormbell/agent/settings"
)

// role is a run of the Ansible role against a folder of this machine.
type role struct {
	t      *testing.T
	dir    string // where its settings are to be
	bin    string // of the programs that check them
	ansi   string // a folder for Ansible's own
	folder string // with the role
}

func newRole(t *testing.T) *role {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the role gives its files to root")
	}
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("needs ansible-playbook (Debian: ansible-core)")
	}
	folder, err := filepath.Abs("ansible")
	if err != nil {
		t.Fatal(err)
	}
	r := &role{t: t, dir: filepath.Join(t.TempDir(), "etc"), bin: t.TempDir(), ansi: t.TempDir(), folder: folder}
	build := exec.Command("go", "build", "-o", r.bin, "wormbell/cmd/wormbell", "wormbell/cmd/wormbelld")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return r
}

// play runs a playbook and returns what it printed and how it ended.
func (r *role) play(vars map[string]any, args ...string) (out string, ok bool) {
	r.t.Helper()
	all := map[string]any{"wormbell_folder": r.dir, "wormbell_install": false,
		"wormbell_program": filepath.Join(r.bin, "wormbell"), "wormbell_agent": filepath.Join(r.bin, "wormbelld")}
	for k, v := range vars {
		all[k] = v
	}
	text, err := json.Marshal([]any{map[string]any{"hosts": "all", "gather_facts": false, "vars": all, "roles": []string{"wormbell"}}})
	if err != nil {
		r.t.Fatal(err)
	}
	book := filepath.Join(r.ansi, "play.yml") // JSON is YAML
	if err := os.WriteFile(book, text, 0o600); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ansible-playbook", append([]string{"-i", "localhost,", "-c", "local", book}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+r.ansi, "ANSIBLE_ROLES_PATH="+filepath.Join(r.folder, "roles"), "ANSIBLE_NOCOLOR=1", "ANSIBLE_PIPELINING=1", "ANSIBLE_LOCALHOST_WARNING=0",
		"ANSIBLE_LOCAL_TEMP="+filepath.Join(r.ansi, "tmp"), "ANSIBLE_REMOTE_TEMP="+filepath.Join(r.ansi, "remote"), "LC_ALL=C.UTF-8")
	b, err := cmd.CombinedOutput()
	return string(b), err == nil
}

// TestRole: the example role, run for real against a folder.
func TestRole(t *testing.T) {
	t.Parallel()
	r := newRole(t)
	conf, trust := filepath.Join(r.dir, "conf.d/50-fleet.toml"), filepath.Join(r.dir, "trust.d/50-fleet.toml")
	vars := map[string]any{
		"wormbell_settings": map[string]any{"stores": []string{"ssh", "kube"}, "protect": true, "log_level": "warn", "homes": []string{`/home/it's "ann" ü\x`}, "locked": []string{"pause"}},
		"wormbell_trust": []any{
			map[string]any{"store": "aws", "who": "exe:/opt/backup/bin/backup", "reason": `the "nightly" backup ü`, "until": "2035-01-31T18:00:00Z"},
			map[string]any{"store": "npm", "who": "exe:/opt/release", "under": "person", "path": "~/.npmrc", "reason": "releases"}},
	}
	if out, ok := r.play(vars, "--check"); !ok {
		t.Errorf("in check mode: %s", out)
	}
	if _, err := os.Stat(r.dir); err == nil {
		t.Error("in check mode something was changed")
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "config.toml"), []byte("log_level = 'debug'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, ok := r.play(vars)
	if !ok || !strings.Contains(out, "Check all that is in place") {
		t.Fatalf("the first run: %s", out)
	}
	src := settings.Source{File: filepath.Join(r.dir, "config.toml"), Named: true, Root: true}
	s, err := settings.Read(src)
	if err != nil || len(s.Problems) > 0 {
		t.Fatalf("%v, %q", err, s.Problems)
	}
	if strings.Join(s.Stores, " ") != "ssh kube" || !s.Protect || s.LogLevel != "warn" || strings.Join(s.Homes, " ") != `/home/it's "ann" ü\x` || s.Locks["pause"] != conf {
		t.Errorf("settings %+v", s)
	}
	rows, problems, _ := settings.Trust(src, time.Now())
	if len(rows) != 2 || len(problems) > 0 || rows[0].Reason != `the "nightly" backup ü` || rows[0].Until == nil || rows[0].Until.Year() != 2035 || rows[1].Path != "~/.npmrc" {
		t.Errorf("rows %+v, %q", rows, problems)
	}

	if out, ok := r.play(vars); !ok || !strings.Contains(out, "changed=0") {
		t.Errorf("the second run: %s", out)
	}

	// What is wrong does not get in place.
	good, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]any{"wormbell_settings": map[string]any{"stroes": []string{"ssh"}}, "wormbell_trust": vars["wormbell_trust"]}
	if out, ok := r.play(bad); ok || !strings.Contains(out, `did you mean \"stores\"`) && !strings.Contains(out, "stroes") {
		t.Errorf("a bad key: %s", out)
	}
	if now, err := os.ReadFile(conf); err != nil || string(now) != string(good) {
		t.Errorf("a bad key is in place: %v\n%s", err, now)
	}
	bad = map[string]any{"wormbell_settings": vars["wormbell_settings"], "wormbell_trust": []any{map[string]any{"store": "nowhere", "who": "exe:/x", "reason": "x"}}}
	if out, ok := r.play(bad); ok || !strings.Contains(out, "there is no such store") {
		t.Errorf("a bad row: %s", out)
	}
	// What is good by itself and not with the rest ends the play before the agent is started again.
	other := filepath.Join(r.dir, "conf.d/10-mine.toml")
	if err := os.WriteFile(other, []byte("locked = ['stores']\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	changed := map[string]any{"wormbell_settings": map[string]any{"stores": []string{"ssh"}}, "wormbell_trust": vars["wormbell_trust"]}
	if out, ok := r.play(changed); ok || !strings.Contains(out, "has locked") {
		t.Errorf("a locked key: %s", out)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	// With nothing to push, what was pushed is taken away.
	if out, ok := r.play(nil); !ok {
		t.Errorf("nothing to push: %s", out)
	}
	for _, file := range []string{conf, trust} {
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is still there", file)
		}
	}
}

// TestExamplePlay: the play that the role comes with is one.
func TestExamplePlay(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("needs ansible-playbook (Debian: ansible-core)")
	}
	cmd := exec.Command("ansible-playbook", "-i", "laptops,", "--syntax-check", "ansible/site.yml")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
