package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSameTwice: a release made again, elsewhere and without keys, is the same
// byte for byte: what is not signed as it is, packages with a signature in
// them by the sums that were taken before.
func TestSameTwice(t *testing.T) {
	m := releases(t)
	signed, unsigned := m.out[older], m.again
	sums := map[string]string{}
	data, err := os.ReadFile(filepath.Join(signed, "SHA256SUMS.unsigned"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines(string(data)) {
		sum, name, ok := strings.Cut(line, "  ")
		if !ok {
			t.Fatalf("the sums before signing hold %q", line)
		}
		sums[name] = sum
	}
	again, err := sumFolder(unsigned, func(name string) bool { return name == "SHA256SUMS" || name == "install.sh" })
	if err != nil {
		t.Fatal(err)
	}
	compared, inside := 0, 0
	for _, line := range lines(string(again)) {
		sum, name, _ := strings.Cut(line, "  ")
		if want, ok := sums[name]; ok {
			if sum != want {
				t.Errorf("%s differs from what it was before it was signed", name)
			}
			inside++
			continue
		}
		a, err := os.ReadFile(filepath.Join(signed, name))
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := os.ReadFile(filepath.Join(unsigned, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs from byte %d on", name, firstDifference(a, b))
		}
		compared++
	}
	if compared < 6 || inside != 4 { // 2 deb, 2 archlinux, an archive, a list; 2 rpm, 2 apk
		t.Errorf("compared %d files and %d by their sums before signing", compared, inside)
	}
	for _, name := range []string{"repo/apt/dists/stable/Release", "repo/apt/dists/stable/main/binary-amd64/Packages.gz"} {
		a, errA := os.ReadFile(filepath.Join(signed, name))
		b, errB := os.ReadFile(filepath.Join(unsigned, name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%v, %v)", name, errA, errB)
		}
	}
}

// TestCheckFindsDifferences: what the comparison of `make packages-check` is
// there for.
func TestCheckFindsDifferences(t *testing.T) {
	tree := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	a := map[string]string{"x": "12345", "repo/y": "y"}
	for name, c := range map[string]struct {
		other map[string]string
		says  string // "": they are the same
	}{
		"same":    {a, ""},
		"a byte":  {map[string]string{"x": "12354", "repo/y": "y"}, `"x" differs from byte 3`},
		"longer":  {map[string]string{"x": "123456", "repo/y": "y"}, `"x" differs from byte 5`},
		"missing": {map[string]string{"x": "12345"}, `"repo/y" is only in the first`},
		"more":    {map[string]string{"x": "12345", "repo/y": "y", "z": ""}, `"z" is only in the second`},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := same(tree(a), tree(c.other))
			if c.says == "" && (err != nil || n != 2) {
				t.Errorf("%d files, %v", n, err)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("says %v, want %q", err, c.says)
			}
		})
	}
	if _, err := same(t.TempDir(), t.TempDir()); err == nil {
		t.Error("two empty folders are taken for two good builds")
	}
}
