package respond

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/agent/respond/journal"
	"wormbell/internal/registry/accounts"
)

// Files of the user's own folders are a thief's to write, who runs as the user.
// What he plants there must not make us believe that a stolen token is dead.

// TestHostileRegistryBesideTheRealOne: a thief who knows the token writes it
// into another file, for a registry of his that says whatever he likes.
func TestHostileRegistryBesideTheRealOne(t *testing.T) {
	t.Parallel()
	f := npmFilled()
	m := testMachine(t)
	for name, text := range map[string]string{
		".bunfig.toml": "[install.registry]\nurl = \"https://thief.example.net/\"\ntoken = \"§1\"\n",
		".npmrc":       "registry=https://registry.example.com/\n//registry.example.com/:_authToken=§1\n//registry.example.com/api/npm/b/:_authToken=§1\n",
		".yarnrc.yml":  "npmRegistries:\n  \"http://registry.example.com\":\n    npmAuthToken: §1\n",
	} {
		if err := os.WriteFile(filepath.Join(m.Home, name), []byte(f.fill(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tokens, err := Find(t.Context(), m, []Kind{npmKind()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sites []string
	for _, token := range tokens {
		sites = append(sites, token.Site)
	}
	slices.Sort(sites)
	if want := []string{"https://registry.example.com", "https://thief.example.net"}; !slices.Equal(sites, want) {
		t.Errorf("the token is revoked at %q, want %q", sites, want)
	}
}

// TestHostileTwinDoesNotBlock: a rotation of the value at a thief's site, which
// never ends, does not keep the one at the real site from being begun.
func TestHostileTwinDoesNotBlock(t *testing.T) {
	t.Parallel()
	b := newRotateBench(t)
	theirs := b.old
	theirs.Name, theirs.Site, theirs.Places = "fake:thief", "https://thief.example.net", []Place{{Path: "~/.elsewhere", Key: "k"}}
	hostileJournal(t, b.m, journal.Rotation{State: journal.Revoking, Mode: journal.Rotate, Kept: true, Old: theirs.written()}, &theirs)
	if out, err := b.rotator().Rotate(t.Context(), b.old, Options{}); err != nil || !out.Done {
		t.Errorf("%+v %v", out, err)
	}
	if slices.Contains(b.s.alive(), b.old.Value.Reveal()) {
		t.Error("the stolen token is alive")
	}
}

// TestHostileJournal: what a journal says of a token's death is asked of the
// service again before anybody is told.
func TestHostileJournal(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(*journal.Rotation){
		"dead":                  func(j *journal.Rotation) { j.State, j.Kept = journal.Dead, true },
		"dead, by word":         func(j *journal.Rotation) { j.State, j.Kept, j.ByWord = journal.Dead, true, true },
		"dead, none wanted":     func(j *journal.Rotation) { j.State, j.Kept, j.Mode = journal.Dead, true, journal.RevokeOnly },
		"planned, not kept yet": func(j *journal.Rotation) { j.State, j.OldAnswer = journal.Planned, "dead" },
		"planned, to replace":   func(j *journal.Rotation) { j.State, j.Replace = journal.Planned, true },
		"planned, none wanted":  func(j *journal.Rotation) { j.State, j.Mode = journal.Planned, journal.RevokeOnly },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newRotateBench(t)
			j := journal.Rotation{Mode: journal.Rotate, Old: b.old.written(), OldDead: true}
			forge(&j)
			kept := &b.old
			if !j.Kept {
				kept = nil
			}
			out, err := b.rotator().Resume(t.Context(), hostileJournal(t, b.m, j, kept))
			if slices.Contains(b.s.alive(), b.old.Value.Reveal()) {
				t.Errorf("the stolen token is alive; it was said: %q, %v", out.Sentence, err)
			}
			b.check(out, err)
		})
	}
}

// TestHostileJournalOfAnother: what was kept for one kind and site is not used
// for another.
func TestHostileJournalOfAnother(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(*Token){
		"site": func(k *Token) { k.Site = "https://thief.example.net" },
		"kind": func(k *Token) { k.Kind = "another" },
	} {
		b := newRotateBench(t)
		kept := b.old
		turn(&kept)
		id := hostileJournal(t, b.m, journal.Rotation{State: journal.Revoking, Mode: journal.Rotate, Kept: true, Old: b.old.written()}, &kept)
		if out, err := b.rotator().Resume(t.Context(), id); err == nil || out.Done {
			t.Errorf("%s: %+v %v", name, out, err)
		}
	}
}

// hostileJournal plants a journal, and what it says was kept, and returns its ID.
func hostileJournal(t *testing.T, m *Machine, j journal.Rotation, kept *Token) string {
	t.Helper()
	j.ID, j.Begun, j.Updated = "abcdefghjk", m.Now(), m.Now()
	b, err := json.Marshal(struct {
		Version int `json:"version"`
		journal.Rotation
	}{1, j})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(m.State, "rotations")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, j.ID+".json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if kept != nil {
		if err := keep(t.Context(), m.Keys, j.ID, "old", *kept); err != nil {
			t.Fatal(err)
		}
	}
	return j.ID
}

// TestHostileNpmState: what lies in the place of npm's notes neither stops us
// nor leads us elsewhere.
func TestHostileNpmState(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no pipes with names in folders")
	}
	m := testMachine(t)
	const site = "https://registry.example.com"
	recall := func() (text string) {
		npmRecall(m, npmGrantsFile, site, &text)
		return text
	}
	if err := npmKeep(m, npmGrantsFile, site, "https://www.example.com"); err != nil || recall() != "https://www.example.com" {
		t.Fatal(err, recall())
	}
	folder, name := npmStateFile(m, npmGrantsFile, site)
	note := filepath.Join(folder, name)
	secretFile := filepath.Join(m.Home, "secret")
	if err := os.WriteFile(secretFile, []byte(`"https://www.example.net"`), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, plant := range map[string]func() error{
		"a pipe": func() error { return exec.Command("mkfifo", note).Run() },
		"a link": func() error { return os.Symlink(secretFile, note) },
		"a long one": func() error {
			return os.WriteFile(note, []byte(`"https://www.example.net`+strings.Repeat(" ", maxNpmState)+`"`), 0o600)
		},
	} {
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		done := make(chan string, 1)
		go func() { done <- recall() }()
		select {
		case web := <-done:
			if web != "" {
				t.Errorf("%s: %q was read", what, web)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: it waits", what)
		}
	}
	// Nor is anything written where a link leads.
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(m.Home, folder); err != nil {
		t.Fatal(err)
	}
	if err := npmKeep(m, npmGrantsFile, site, "https://www.example.com"); err == nil {
		t.Error("it was written through a link")
	}
}

// TestHostileDonePage: what a registry on TLS gives out does not come
// over a line that others listen to.
func TestHostileDonePage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		base, page string
		ok         bool
	}{
		{"https://registry.example.com", "https://registry.example.com/-/v1/done?x=1", true},
		{"https://registry.example.com", "https://www.example.com/done", true},
		{"https://registry.example.com", "http://registry.example.com/-/v1/done", false},
		{"https://registry.example.com", "http://169.254.169.254/latest/meta-data/", false},
		{"https://registry.example.com", "https://127.0.0.1/done", false},
		{"https://registry.example.com", "https://169.254.169.254/done", false},
		{"http://127.0.0.1:4873", "http://127.0.0.1:4873/done", true},
		{"http://127.0.0.1:4873", "http://localhost:4874/done", true},
		{"http://registry.example.com", "http://registry.example.com/done", true},
		{"http://registry.example.com", "http://127.0.0.1:80/done", false},
		{"https://10.0.0.1", "https://10.0.0.1/done", true},
		{"https://registry.example.com", "https://a:b@registry.example.com/done", false},
	} {
		if got := (npmSite{base: tt.base}).mayPoll(tt.page); got != tt.ok {
			t.Errorf("%s names %s: %v", tt.base, tt.page, got)
		}
	}
}

// TestHostileAddressOfAWS: a person sees where AWS's requests really go.
func TestHostileAddressOfAWS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config string
		env    map[string]string
		want   string
	}{
		"usual":       {want: "https://sts.amazonaws.com"},
		"profile":     {config: "[default]\nendpoint_url = https://thief.example.net/\n", want: "https://thief.example.net"},
		"environment": {env: map[string]string{"AWS_ENDPOINT_URL": "https://thief.example.net"}, want: "https://thief.example.net"},
		"iam alone":   {env: map[string]string{"AWS_ENDPOINT_URL_IAM": "https://thief.example.net"}, want: "https://thief.example.net"},
		"unsafe":      {env: map[string]string{"AWS_ENDPOINT_URL": "http://thief.example.net"}, want: ""},
	} {
		m := testMachine(t)
		m.Getenv = func(name string) string { return tt.env[name] }
		dir := filepath.Join(m.Home, ".aws")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"config": tt.config,
			"credentials": "[default]\naws_access_key_id = AKIA" + strings.Repeat("Z", 16) + "\naws_secret_access_key = " + testRandom(40) + "\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tokens, err := awsFind(t.Context(), m, nil)
		if err != nil || len(tokens) != 1 || tokens[0].Site != tt.want {
			t.Errorf("%s: %+v %v", name, tokens, err)
		}
	}
}

// TestHostileWebsite: which page a browser opens for a registry comes of what the
// registry says in this run, and not of a file that any program can write.
func TestHostileWebsite(t *testing.T) {
	t.Parallel()
	d := newNpmDouble(t, accounts.Config{})
	m := testMachine(t)
	person := testPersonAt(m)
	const evil = "https://www.evil.example"
	if err := npmKeep(m, "web", d.URL, evil); err != nil { // as earlier versions kept it
		t.Fatal(err)
	}
	old := d.token(m, d.Issue(accounts.Token{Packages: []string{"*"}}))
	old.Facts["web"] = evil
	k := npmKind()
	k.Create = nil // a person makes it on the page
	out, err := (&Rotator{Machine: m, Kinds: []Kind{k}}).Rotate(t.Context(), old, Options{})
	if !errors.Is(err, ErrNobody) {
		t.Fatal(err)
	}
	pages := person.opened()
	for _, p := range out.Pages {
		pages = append(pages, p.URL)
	}
	later, err := (&Rotator{Machine: testMachineAt(m), Kinds: []Kind{k}}).Unfinished()
	if err != nil || len(later) != 1 {
		t.Fatal(later, err)
	}
	for _, p := range later[0].Pages {
		pages = append(pages, p.URL)
	}
	for _, p := range pages {
		if !strings.HasPrefix(p, d.Web+"/") && p != d.URL {
			t.Errorf("a person is sent to %s", p)
		}
	}
	if len(person.opened()) != 1 || !strings.HasPrefix(person.opened()[0], d.Web+"/settings/") {
		t.Errorf("opened %q", person.opened())
	}
	// And over a line that is as well guarded as that to the registry.
	for base, ok := range map[string]bool{"https://registry.example.com": false, "http://registry.example.com": true} {
		if (npmSite{m, base}).mayShow("http://www.example.com/login") != ok || !(npmSite{m, base}).mayShow("https://www.example.com/login") {
			t.Errorf("%s", base)
		}
	}
}

// testMachineAt is m in another run.
func testMachineAt(m *Machine) *Machine {
	again := *m
	again.Memory = new(Memory)
	return &again
}
