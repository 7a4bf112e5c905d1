package watchers

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell"
)

// runQuick is the watcher with less patience.
func runQuick(ctx context.Context, host Host, out Out) error {
	return watchNodeModules(ctx, host, out, 700*time.Millisecond)
}

const installedProject = `mkdir -p app/node_modules/old app/node_modules/@s/old/node_modules/deep app/node_modules/.bin; cd app
	echo '{"name":"app"}' >package.json; echo '{"name":"old","version":"1.0.0"}' >node_modules/old/package.json
	echo '{"name":"@s/old","version":"1.0.0"}' >node_modules/@s/old/package.json; echo '{"version":"1.0.0"}' >node_modules/@s/old/node_modules/deep/package.json
	cd ..; mkdir -p .cache/x/new/node_modules/inner; echo '{"name":"new","version":"3.0.0"}' >.cache/x/new/package.json; echo '{"version":"3.1.0"}' >.cache/x/new/node_modules/inner/package.json;`

func TestPackagesComeAndGo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ do, want string }{
		"installed":            {`mkdir app/node_modules/new; echo '{"version":"2.0.0"}' >app/node_modules/new/package.json`, `package.add "~/app/node_modules/new" new@2.0.0`},
		"installed, scoped":    {`mkdir -p app/node_modules/@t/new; echo '{"name":"alias","version":"2.0.0"}' >app/node_modules/@t/new/package.json`, `package.add "~/app/node_modules/@t/new" @t/new@2.0.0`},
		"in a new project":     {`mkdir -p p/node_modules/x/node_modules/y; echo '{"version":"1"}' >p/node_modules/x/package.json; sleep 0.3; echo '{"version":"2"}' >p/node_modules/x/node_modules/y/package.json`, `package.add "~/p/node_modules/x" x@1` + "\n" + `package.add "~/p/node_modules/x/node_modules/y" y@2`},
		"hard linked":          {`cd app/node_modules; mkdir new; ln ../../.cache/x/new/package.json new/package.json`, `package.add "~/app/node_modules/new" new@3.0.0`},
		"moved into place":     {`mv .cache/x/new app/node_modules/new`, `package.add "~/app/node_modules/new" new@3.0.0` + "\n" + `package.add "~/app/node_modules/new/node_modules/inner" inner@3.1.0`},
		"updated like npm":     {`cd app/node_modules; mv old .old-x; mkdir old; echo '{"version":"1.1.0"}' >old/package.json; rm -r .old-x; echo {} >.package-lock.json`, `package.add "~/app/node_modules/old" old@1.1.0`},
		"pnpm's store":         {`cd app/node_modules; mkdir -p .pnpm/n@1.0.0/node_modules/n_tmp_12_3; echo '{"version":"1.0.0"}' >.pnpm/n@1.0.0/node_modules/n_tmp_12_3/package.json; sleep 0.2; mv .pnpm/n@1.0.0/node_modules/n_tmp_12_3 .pnpm/n@1.0.0/node_modules/n; ln -s .pnpm/n@1.0.0/node_modules/n n`, `package.add "~/app/node_modules/.pnpm/n@1.0.0/node_modules/n" n@1.0.0`},
		"removed, with a lock": {`cd app/node_modules; rm -r old; echo {} >.package-lock.json`, `package.remove "~/app/node_modules/old" old`},
		"removed":              {`rm -r app/node_modules/@s`, `package.remove "~/app/node_modules/@s/old" @s/old` + "\n" + `package.remove "~/app/node_modules/@s/old/node_modules/deep" deep`},
		"moved away":           {`mkdir out; mv app/node_modules/old out/old`, `package.remove "~/app/node_modules/old" old`},
		"all removed":          {`rm -r app/node_modules`, `package.remove "~/app/node_modules/@s/old" @s/old` + "\n" + `package.remove "~/app/node_modules/@s/old/node_modules/deep" deep` + "\n" + `package.remove "~/app/node_modules/old" old`},
		"put back unchanged":   {`cd app; mkdir -p node_modules/n; echo '{"version":"1"}' >node_modules/n/package.json; sleep 2.5; tar cf ../t node_modules/n; rm -r node_modules/n; sleep 0.2; tar xf ../t; mkdir node_modules/z; echo '{"version":"1"}' >node_modules/z/package.json`, `package.add "~/app/node_modules/n" n@1` + "\n" + `package.add "~/app/node_modules/z" z@1`},
		"not a package":        {`mkdir -p app/node_modules/old/lib app/node_modules/.x; echo '{"version":"9"}' >app/node_modules/old/lib/package.json; echo '{"version":"9"}' >app/node_modules/.x/package.json; echo '{"version":"9"}' >app/package.json; mkdir app/node_modules/z; echo '{"version":"1"}' >app/node_modules/z/package.json`, `package.add "~/app/node_modules/z" z@1`},
		"a hostile name":       {"mkdir 'app/node_modules/a\nb'; echo '{\"version\":\"1\"}' >'app/node_modules/a\nb/package.json'", `package.add "~/app/node_modules/a\nb" a` + "\nb@1"},
	} {
		for backend := range treeBackends {
			t.Run(name+"/"+backend, func(t *testing.T) {
				t.Parallel()
				// However late a busy machine puts back what it moved aside.
				run := func(ctx context.Context, host Host, out Out) error {
					return watchNodeModules(ctx, host, out, time.Minute)
				}
				switch name {
				case "removed", "moved away", "all removed": // told when it has been quiet
					run = runQuick
				}
				r := startTree(t, backend, installedProject, 0, run)
				r.sh(tt.do)
				want := tt.want + "\n"
				sorted := func(es []wormbell.Event) string {
					es = slices.Clone(es)
					slices.SortFunc(es, func(a, b wormbell.Event) int { return strings.Compare(a.Path, b.Path) })
					return treeText(es)
				}
				n := strings.Count(want, "package.")
				events := r.until(want, func(es []wormbell.Event) bool { return len(es) >= n })
				if d := cmp.Diff(want, sorted(events)); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			})
		}
	}
}

// With a queue of three, what a storm brought and took is found by looking
// again.
func TestPackagesAfterOverflow(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"fanotify", "fsnotify"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			const n = 300
			r := startTree(t, backend, installedProject, 3, runQuick)
			r.sh(fmt.Sprintf(`cd app/node_modules; rm -r old; i=0; while [ $i -lt %d ]; do mkdir p$i; echo '{"version":"1.0.'$i'"}' >p$i/package.json; i=$((i+1)); done`, n))
			events := r.until("all packages", func(es []wormbell.Event) bool {
				added := map[string]bool{}
				for _, e := range pick(es, wormbell.PackageAdd) {
					if strings.HasPrefix(e.Package.Name, "p") {
						added[e.Package.Name] = true
					}
				}
				return len(added) == n && len(pick(es, wormbell.PackageRemove)) >= 1
			})
			seen := map[string]int{}
			for _, e := range pick(events, wormbell.PackageAdd) {
				seen[e.Package.String()]++
			}
			for i := range n {
				if p := fmt.Sprintf("p%d@1.0.%d", i, i); seen[p] != 1 {
					t.Errorf("%s was told %d times", p, seen[p])
				}
			}
			t.Logf("%d gaps", len(pick(events, wormbell.Gap)))
		})
	}
}

func TestPackageStorm(t *testing.T) {
	t.Parallel()
	const n = 10_000
	r := startTree(t, "fanotify", `mkdir app`, 0, runQuick)
	tarball := treeTar(t, n)
	pid := r.sh("cd app; exec tar xf " + tarball)
	start := time.Now()
	events := r.until("all packages", func(es []wormbell.Event) bool { return len(es) >= n })
	t.Logf("%d packages told %v after the last was written", n, time.Since(start))
	seen := map[string]bool{}
	for _, e := range events {
		seen[e.Package.String()] = true
		if e.Kind != wormbell.PackageAdd || e.Process == nil || e.Process.PID != pid {
			t.Fatalf("%+v, not by %d", e, pid)
		}
	}
	for i := range n {
		if p := fmt.Sprintf("p%05d@1.0.%d", i, i); !seen[p] {
			t.Errorf("%s was not told", p)
		}
	}
}

// The real thing, offline: install, update and uninstall.
func TestPackagesByRealNPM(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("no npm on this machine")
	}
	for backend := range treeBackends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			// Long enough for what npm ci takes and puts back on a busy machine.
			run := func(ctx context.Context, host Host, out Out) error {
				return watchNodeModules(ctx, host, out, time.Minute)
			}
			r := startTree(t, backend, `mkdir app dep; echo '{"name":"app","version":"1.0.0"}' >app/package.json`, 0, run)
			npm := func(args string) {
				r.sh(`export HOME=$PWD; cd app; npm --offline --no-audit --no-fund --no-update-notifier ` + args)
			}
			for i, step := range []struct{ version, do, want string }{
				{"1.0.0", "install ../dep-1.0.0.tgz", `package.add "~/app/node_modules/dep" dep@1.0.0`},
				{"1.1.0", "install ../dep-1.1.0.tgz", `package.add "~/app/node_modules/dep" dep@1.1.0`},
				{"", "ci", ""},
				{"", "uninstall dep", `package.remove "~/app/node_modules/dep" dep@1.1.0`},
			} {
				if step.version != "" {
					r.sh(`export HOME=$PWD; echo '{"name":"dep","version":"` + step.version + `"}' >dep/package.json; npm pack --offline --no-update-notifier ./dep`)
				}
				npm(step.do)
				if step.want == "" {
					continue // nothing is told, which the next step would show
				}
				events := r.until(step.want, func(es []wormbell.Event) bool { return len(es) > 0 })
				if d := cmp.Diff(step.want+"\n", treeText(events)); d != "" {
					t.Errorf("step %d: -want +got\n%s", i, d)
				}
				if backend == "fanotify" && events[0].Process == nil {
					t.Errorf("step %d: nobody did it", i)
				}
			}
		})
	}
}
