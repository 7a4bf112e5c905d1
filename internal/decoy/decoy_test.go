package decoy_test

import (
	"encoding/base32"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell/internal/decoy"
	"wormbell/internal/mask"
	"wormbell/internal/stores"
)

// certain are the kinds of tokens that a scanner is certain of, checksums and all.
func certain(text string) (kinds []string) {
	for line := range strings.Lines(text) {
		_, k := mask.Line(strings.TrimSpace(line))
		kinds = append(kinds, k...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// TestText: what stands in a decoy is taken for real by what knows tokens, and
// never twice the same.
func TestText(t *testing.T) {
	facts := decoy.Facts{User: "dev", Registry: "https://registry.example.com/npm/"}
	for id, want := range map[string][]string{
		"npm":    {"npm access token"},
		"github": {"GitHub token"},
		"env":    {"GitHub token", "npm access token"},
	} {
		k, ok := decoy.ByID(id)
		if !ok {
			t.Fatalf("there is no %s", id)
		}
		for range 20 {
			text := string(k.Text(facts))
			got := certain(text)
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("%s: certain of %q, want %q in it\n%s", id, got, w, text)
				}
			}
			if strings.Contains(strings.ToLower(text), "fake") || strings.Contains(text, "EXAMPLE") {
				continue // chance
			}
			if again := string(k.Text(facts)); again == text {
				t.Errorf("%s: twice the same", id)
			}
		}
	}
	npm, _ := decoy.ByID("npm")
	if text := string(npm.Text(facts)); !strings.Contains(text, "//registry.example.com/npm/:_authToken=npm_") {
		t.Errorf("%q", text)
	}
	if text := string(npm.Text(decoy.Facts{})); !regexp.MustCompile(`^_authToken=npm_[0-9A-Za-z]{36}\n$`).MatchString(text) {
		t.Errorf("without a registry: %q", text)
	}
	github, _ := decoy.ByID("github")
	for _, user := range []string{"", "a b", "x@y", "c:d"} {
		if text := string(github.Text(decoy.Facts{User: user})); !strings.HasPrefix(text, "https://x-access-token:ghp_") {
			t.Errorf("%q: %q", user, text)
		}
	}
}

// TestAccessKey: an ID says of which account it is; it must be a number that
// accounts have.
func TestAccessKey(t *testing.T) {
	form := regexp.MustCompile(`^\[default\]\naws_access_key_id = AKIA([A-Z2-7]{16})\naws_secret_access_key = [0-9A-Za-z+/]{40}\n$`)
	aws, _ := decoy.ByID("aws")
	for range 200 {
		m := form.FindStringSubmatch(string(aws.Text(decoy.Facts{})))
		if m == nil {
			t.Fatal("not the form of AWS's file")
		}
		b, err := base32.StdEncoding.DecodeString(m[1])
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		for _, x := range b[:6] {
			n = n<<8 | uint64(x)
		}
		if account := n & 0x7fffffffff80 >> 7; account < 1e11 || account >= 1e12 || m[1][0] < 'Q' && m[1][0] >= 'A' {
			t.Errorf("account %d, first character %c", account, m[1][0])
		}
	}
}

// TestPlaces: no program that we know of reads a file by such a name.
func TestPlaces(t *testing.T) {
	if !slices.IsSortedFunc(decoy.Kinds, func(a, b decoy.Kind) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("Kinds is not sorted")
	}
	for _, k := range decoy.Kinds {
		picked := k.Pick()
		for _, p := range picked {
			if s := stores.Of(p); s != nil {
				t.Errorf("%s is a file of %s", p, s.ID)
			}
			if id, ok := decoy.Place(p); !ok || id != k.ID {
				t.Errorf("Place(%q) = %q, %v", p, id, ok)
			}
			if strings.Contains(strings.ToLower(p), "decoy") || strings.Contains(p, "wormbell") {
				t.Errorf("%s says what it is", p)
			}
		}
		other := false
		for range 50 {
			other = other || !slices.Equal(k.Pick(), picked)
		}
		if len(picked) < 5 || !other {
			t.Errorf("%s: always the same place, %q", k.ID, picked)
		}
	}
	for _, p := range []string{"~/.npmrc", "~/.aws/credentials", "~/.git-credentials", "~/.env", ""} {
		if _, ok := decoy.Place(p); ok {
			t.Errorf("%q is a file that programs read", p)
		}
	}
	now := time.Now()
	for range 100 {
		if age := now.Sub(decoy.Age(now)); age < 10*24*time.Hour || age > 500*24*time.Hour {
			t.Errorf("aged %v", age)
		}
	}
}

// TestPlantAndRemove: a decoy comes and goes, and nothing else is touched.
func TestPlantAndRemove(t *testing.T) {
	home := t.TempDir()
	at := func(p string) string { return filepath.Join(home, strings.TrimPrefix(p, "~/")) }
	age := time.Now().AddDate(0, -3, 0).Truncate(time.Second)
	put, err := decoy.Plant(home, "~/.aws/credentials.bak", []byte("text\n"), age)
	if err != nil || put.Made != "~/.aws" {
		t.Fatalf("%+v, %v", put, err)
	}
	info, err := os.Lstat(at("~/.aws/credentials.bak"))
	if err != nil || info.Mode() != 0o600 || !info.ModTime().Equal(age) || info.Size() != 5 {
		t.Errorf("%v, %v", info, err)
	}
	if dir, err := os.Lstat(at("~/.aws")); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", dir, err)
	}
	if _, err := decoy.Plant(home, "~/.aws/credentials.bak", []byte("other\n"), age); err == nil {
		t.Error("planted over a file")
	}
	if b, _ := os.ReadFile(at("~/.aws/credentials.bak")); string(b) != "text\n" {
		t.Errorf("it holds %q", b)
	}
	if err := decoy.Check(home, "~/.aws/credentials.bak", put.File); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := decoy.Remove(home, "~/.aws/credentials.bak", put); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if _, err := os.Lstat(at("~/.aws")); err == nil {
		t.Error("the folder that was made stays")
	}

	// A folder with something of the person's stays, and so does what was changed.
	put, err = decoy.Plant(home, "~/.aws/credentials.bak", []byte("text\n"), age)
	if err != nil {
		t.Fatal(err)
	}
	write := func(p, text string) {
		t.Helper()
		if err := os.WriteFile(at(p), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("~/.aws/config", "mine")
	write("~/.aws/credentials.bak", "mine\n") // as long as before
	for _, do := range []func() error{
		func() error { return decoy.Remove(home, "~/.aws/credentials.bak", put) },
		func() error { return decoy.Check(home, "~/.aws/credentials.bak", put.File) },
	} {
		if err := do(); err != decoy.ErrChanged {
			t.Errorf("a file that was written to: %v", err)
		}
	}
	if b, _ := os.ReadFile(at("~/.aws/credentials.bak")); string(b) != "mine\n" {
		t.Errorf("it holds %q", b)
	}
	os.Remove(at("~/.aws/credentials.bak"))
	write("~/.aws/credentials.bak", "text\n")
	os.Chtimes(at("~/.aws/credentials.bak"), age, age)
	if err := decoy.Remove(home, "~/.aws/credentials.bak", put); err != decoy.ErrChanged {
		t.Errorf("another file with the same text and time: %v", err)
	}
	os.Remove(at("~/.aws/credentials.bak"))
	if err := decoy.Remove(home, "~/.aws/credentials.bak", put); !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("one that is gone: %v", err)
	}
	put, err = decoy.Plant(home, "~/.aws/credentials.bak", []byte("text\n"), age)
	if err != nil || put.Made != "" {
		t.Fatalf("%+v, %v", put, err)
	}
	put.Made = "~/.aws" // whatever the record says
	if err := decoy.Remove(home, "~/.aws/credentials.bak", put); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(at("~/.aws/config")); string(b) != "mine" {
		t.Error("the person's file is gone")
	}
}

// TestUnfit: where a decoy would be committed, published or followed elsewhere,
// none is planted, and nothing is left behind.
func TestUnfit(t *testing.T) {
	age := time.Now()
	for name, prepare := range map[string]func(home string) error{
		"home is a work tree":    func(home string) error { return os.Mkdir(home+"/.git", 0o700) },
		"home is a submodule":    func(home string) error { return os.WriteFile(home+"/.git", []byte("gitdir: x"), 0o600) },
		"home is a project":      func(home string) error { return os.WriteFile(home+"/package.json", nil, 0o600) },
		"folder is a work tree":  func(home string) error { return os.MkdirAll(home+"/.aws/.git", 0o700) },
		"folder is a link":       func(home string) error { os.Mkdir(home+"/dot", 0o700); return os.Symlink("dot", home+"/.aws") },
		"folder leads elsewhere": func(home string) error { return os.Symlink("/", home+"/.aws") },
		"folder is everybody's":  func(home string) error { os.Mkdir(home+"/.aws", 0o700); return os.Chmod(home+"/.aws", 0o777) },
		"above is a work tree":   func(home string) error { return os.Mkdir(filepath.Dir(home)+"/.git", 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "me")
			if err := os.Mkdir(home, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := prepare(home); err != nil {
				t.Fatal(err)
			}
			before, _ := filepath.Glob(home + "/.aws/*")
			if _, err := decoy.Plant(home, "~/.aws/credentials.bak", []byte("x"), age); err == nil || !strings.Contains(err.Error(), decoy.ErrUnfit.Error()) {
				t.Errorf("planted: %v", err)
			}
			if after, _ := filepath.Glob(home + "/.aws/*"); len(after) != len(before) {
				t.Errorf("left behind: %q", after)
			}
		})
	}
	home := t.TempDir()
	for _, p := range []string{"~/../x", "/etc/x", "x", "~", "~/", "~/a//b"} {
		if _, err := decoy.Plant(home, p, []byte("x"), age); err == nil {
			t.Errorf("planted at %q", p)
		}
	}
	if err := os.Symlink("/nowhere", home+"/.npmrc.bak"); err != nil {
		t.Fatal(err)
	}
	if _, err := decoy.Plant(home, "~/.npmrc.bak", []byte("x"), age); err == nil {
		t.Error("planted through a link")
	}
}
