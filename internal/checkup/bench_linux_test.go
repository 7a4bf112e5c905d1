package checkup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormbell/internal/checkup"
)

// BenchmarkHome looks at the home of somebody with three thousand projects, each
// with npm's list of 300 packages, four of which have install scripts.
func BenchmarkHome(b *testing.B) {
	home := b.TempDir()
	put := func(name, text string) {
		p := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	var list strings.Builder
	list.WriteString("{\n  \"packages\": {\n")
	for i := range 300 {
		hook := ""
		if i%75 == 0 {
			hook = ",\n      \"hasInstallScript\": true"
		}
		fmt.Fprintf(&list, "    \"node_modules/dependency-%d\": {\n      \"version\": \"1.0.%d\",\n      \"resolved\": \"https://registry.example.com/dependency-%d.tgz\",\n      \"integrity\": \"sha512-%088d\"%s\n    },\n", i, i, i, i, hook)
	}
	list.WriteString("    \"\": {}\n  }\n}\n")
	for i := range 3000 {
		at := fmt.Sprintf("work/team-%d/project-%d", i%50, i)
		put(at+"/package.json", `{"name":"x"}`)
		put(at+"/index.js", strings.Repeat("console.log('hello')\n", 50))
		put(at+"/src/lib/deep/a.js", "1")
		put(at+"/.git/HEAD", "ref: refs/heads/main\n")
		put(at+"/.env", "PORT=3000\n")
		put(at+"/.github/workflows/ci.yml", "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm test\n")
		put(at+"/node_modules/.package-lock.json", list.String())
		for _, n := range []int{0, 75, 150, 225} {
			put(fmt.Sprintf("%s/node_modules/dependency-%d/package.json", at, n), fmt.Sprintf(`{"name":"dependency-%d","version":"1.0.0","scripts":{"install":"node install.js"}}`, n))
			put(fmt.Sprintf("%s/node_modules/dependency-%d/install.js", at, n), strings.Repeat("build()\n", 200))
		}
	}
	put(".bash_history", strings.Repeat("git commit -m 'a message of the usual length' --amend\n", 10_000))
	began := processorTime(b)
	defer func() { b.ReportMetric((processorTime(b)-began).Seconds()/float64(b.N), "cpu-s/op") }()
	for b.Loop() {
		r, err := checkup.Run(b.Context(), checkup.Config{Home: home, Root: home, Within: 5 * time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range r.Sections {
			for _, l := range s.NotLooked {
				b.Logf("%s: not looked at: %s", s.ID, l)
			}
		}
	}
}

// processorTime is what this process has taken since it began. The wall clock
// says little on a machine that does other work.
func processorTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
