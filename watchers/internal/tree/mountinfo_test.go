package tree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const table = `22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:35 /@home /home rw - btrfs /dev/sda rw
31 30 0:40 / /home/u/mnt\040a\134b rw shared:7 master:2 - tmpfs tmpfs rw
32 30 0:41 / /home/u/remote rw - fuse.sshfs host:/ rw
33 30 0:42 / /home/u/.cache/doc rw - fuse.portal portal rw
34 30 0:43 / /home/u/sys rw - sysfs sysfs rw
35 30 0:44 / /home/user rw - xfs /dev/sdb rw
36 31 0:45 / /home/u/mnt\040a\134b rw - ext4 /dev/sdc rw
nonsense
37 30 0:46 / relative rw - ext4 x rw
38 30 0:47 / /x rw
`

func TestMountTable(t *testing.T) {
	t.Parallel()
	type line struct {
		Path, Point, FSType string
		Home                int
		Unseen              bool
	}
	var got []line
	for _, r := range rootsOf([]string{"/home/u", "/root", "/home/user/x"}, parseMounts([]byte(table))) {
		got = append(got, line{r.path, r.point, r.fstype, r.home, r.backend == unseen})
	}
	want := []line{
		{"/home/u", "/home", "btrfs", 0, false},
		{"/root", "/", "ext4", 1, false},
		{"/home/user/x", "/home/user", "xfs", 2, false},
		{`/home/u/mnt a\b`, `/home/u/mnt a\b`, "ext4", 0, false},
		{"/home/u/remote", "/home/u/remote", "fuse.sshfs", 0, true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestSkipped(t *testing.T) {
	t.Parallel()
	for rel, want := range map[string]bool{
		"": false, "src/app": false, ".config/app": false, ".npm/_npx/1": true, "src/.npm": false, "src/app/.git": true, "src/.cache/x": true,
		"go/src/x": false, "go/pkg": true, "go/pkg/mod/x": true, "go/pkgs": false, ".local/share/pnpm/store": true, ".local/share/app": false,
	} {
		if got := Skipped(rel); got != want {
			t.Errorf("%q: %v", rel, got)
		}
	}
}

func TestPackageFolder(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"": true, "a/": true, "@s/": true, "@s/a/": true, "a/lib/": false, "a/node_modules/": true, "a/node_modules/@s/b/": true, "a/node_modules/@s/b/lib/": false,
		".bin/": false, ".a-XyZ/": false, ".pnpm/": true, ".pnpm/a@1/": true, ".pnpm/a@1/node_modules/": true, ".pnpm/a@1/node_modules/a/": true, ".pnpm/a@1/node_modules/a/lib/": false,
	} {
		if got := packageFolder(in); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func FuzzMountTable(f *testing.F) {
	f.Add([]byte(table))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range parseMounts(b) {
			if m.point == "" || m.point[0] != '/' {
				t.Errorf("mount point %q", m.point)
			}
		}
		rootsOf([]string{"/home/u"}, parseMounts(b))
	})
}
