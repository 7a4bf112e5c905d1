package packagedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// rpmDB writes a database below root that rpm itself has made, of two packages:
// one with so many files that its header takes pages of its own.
func rpmDB(t *testing.T, root string) string {
	t.Helper()
	db, why := madeByRPM()
	if why != "" {
		t.Skip(why)
	}
	return put(t, filepath.Join(root, "/var/lib/rpm/rpmdb.sqlite"), string(db))
}

var madeByRPM = sync.OnceValues(func() (db []byte, why string) {
	for _, tool := range []string{"rpm", "rpmbuild"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, "there is no " + tool
		}
	}
	top, err := os.MkdirTemp("", "packagedb")
	if err != nil {
		return nil, err.Error()
	}
	defer os.RemoveAll(top)
	run := func(argv ...string) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "HOME="+top)
		if out, err := cmd.CombinedOutput(); err != nil {
			why += fmt.Sprintf("%s does not work here: %v\n%s", argv[0], err, out)
		}
	}
	for name, files := range map[string]string{
		"felines": "for i in $(seq 1 300); do echo x > %{buildroot}/usr/bin/cat$i; done; echo x > %{buildroot}/bin/lion",
		"canines": "echo x > %{buildroot}/usr/bin/dog",
	} {
		file := filepath.Join(top, name+".spec")
		spec := "Name: " + name + "\nVersion: 1\nRelease: 2\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%install\n" +
			"mkdir -p %{buildroot}/usr/bin %{buildroot}/bin\n" + files + "\n%files\n/\n"
		if err := os.WriteFile(file, []byte(spec), 0o644); err != nil {
			return nil, err.Error()
		}
		run("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+top, "--define", "__os_install_post %{nil}", file)
	}
	found, _ := filepath.Glob(filepath.Join(top, "RPMS/noarch/*.rpm"))
	run(append([]string{"rpm", "--dbpath", filepath.Join(top, "db"), "--define", "_db_backend sqlite", "-i", "--justdb", "--nodeps", "--noscripts"}, found...)...)
	if db, err = os.ReadFile(filepath.Join(top, "db/rpmdb.sqlite")); err != nil {
		why += err.Error()
	}
	return db, why
})

// blobsOf returns the headers that an SQLite database holds.
func blobsOf(t *testing.T, db string) (all [][]byte) {
	t.Helper()
	if err := readSQLite(db, func(b []byte) error {
		all = append(all, append([]byte(nil), b...))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

const rpmOwners = `
	/usr/bin/cat1 rpm:felines
	/usr/bin/cat300 rpm:felines
	/usr/bin/cat301 -
	/usr/bin/lion rpm:felines
	/usr/bin/dog rpm:canines`

func TestRPM(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	os.Symlink("usr/bin", filepath.Join(root, "bin"))
	db := rpmDB(t, root)
	x := Read(root)
	sound(t, x)
	owned(t, x, rpmOwners)

	// The same headers in SUSE's format.
	suse := t.TempDir()
	os.Symlink("usr/bin", filepath.Join(suse, "bin"))
	put(t, filepath.Join(suse, "/usr/lib/sysimage/rpm/Packages.db"), string(ndb(blobsOf(t, db))))
	x = Read(suse)
	sound(t, x)
	owned(t, x, rpmOwners)
}

// ndb lays headers out as rpm's lib/backend/ndb/rpmpkg.c does, with a hole
// where a package was removed.
func ndb(blobs [][]byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, 4096)
	copy(b, "RpmP")
	le.PutUint32(b[12:], 1)
	for i := 32; i < len(b); i += 16 {
		copy(b[i:], "Slot")
	}
	for i, blob := range blobs {
		slot := b[32+16*(2*i+1):] // every other one is free
		start := len(b)
		size := (16 + len(blob) + 12 + 15) / 16 * 16
		b = append(b, make([]byte, size)...)
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(start/16))
		le.PutUint32(slot[12:], uint32(size/16))
		copy(b[32+16*(2*i+1):], slot[:16])
		h := b[start:]
		copy(h, "BlbS")
		le.PutUint32(h[4:], uint32(i+1))
		le.PutUint32(h[12:], uint32(len(blob)))
		copy(h[16:], blob)
		copy(h[size-4:], "BlbE")
	}
	return b
}

// TestRPMLog: what is in SQLite's log only is read, too, and half of a
// transaction is not.
func TestRPMLog(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	os.Symlink("usr/bin", filepath.Join(root, "bin"))
	db := rpmDB(t, root)
	whole, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	page := int(binary.BigEndian.Uint16(whole[16:]))
	pages := len(whole) / page
	log := walOf(whole, page)
	// The file has its first page only; all the others are in the log.
	put(t, db, string(whole[:page]))
	put(t, db+"-wal", string(log))
	x := Read(root)
	sound(t, x)
	owned(t, x, rpmOwners)
	for _, tc := range []struct {
		name string
		log  []byte
	}{
		{"without its last page", log[:32+(24+page)*(pages-1)+100]},
		{"with a page that has changed", func() []byte {
			b := append([]byte(nil), log...)
			b[len(b)-1] ^= 1
			return b
		}()},
		{"of another round", func() []byte {
			b := append([]byte(nil), log...)
			b[32+8] ^= 1
			return b
		}()},
	} {
		put(t, db+"-wal", string(tc.log))
		if x := Read(root); x.Owner("/usr/bin/dog") != "" || len(x.Problems()) != 1 {
			t.Errorf("a log %s was taken: %q", tc.name, x.Problems())
		}
	}
}

// walOf writes all pages of a database as one transaction of a log.
func walOf(db []byte, page int) []byte {
	be := binary.BigEndian
	pages := len(db) / page
	log := make([]byte, 32)
	be.PutUint32(log, 0x377f0682)
	be.PutUint32(log[4:], 3007000)
	be.PutUint32(log[8:], uint32(page))
	copy(log[16:], "saltsalt")
	a, b := logSum(binary.LittleEndian, 0, 0, log[:24])
	be.PutUint32(log[24:], a)
	be.PutUint32(log[28:], b)
	for n := 1; n <= pages; n++ {
		frame := make([]byte, 24+page)
		be.PutUint32(frame, uint32(n))
		if n == pages {
			be.PutUint32(frame[4:], uint32(pages))
		}
		copy(frame[8:], "saltsalt")
		copy(frame[24:], db[(n-1)*page:n*page])
		a, b = logSum(binary.LittleEndian, a, b, frame[:8])
		a, b = logSum(binary.LittleEndian, a, b, frame[24:])
		be.PutUint32(frame[16:], a)
		be.PutUint32(frame[20:], b)
		log = append(log, frame...)
	}
	return log
}

// TestDamagedRPM: whatever becomes of a database, reading it ends, and says so
// or not.
func TestDamagedRPM(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := rpmDB(t, root)
	sqlite, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string][]byte{"rpmdb.sqlite": sqlite, "Packages.db": ndb(blobsOf(t, db))} {
		told := 0
		for i := range 300 {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			bad := append([]byte(nil), good...)
			for range 1 + r.IntN(8) {
				switch at := r.IntN(len(bad)); r.IntN(3) {
				case 0:
					bad[at] = byte(r.Uint32())
				case 1:
					for j := at &^ 3; j < min(at+r.IntN(64), len(bad)); j++ {
						bad[j] = 0xff
					}
				case 2:
					bad[r.IntN(min(len(bad), 8192))] = byte(r.Uint32())
				}
			}
			if r.IntN(3) == 0 {
				bad = bad[:r.IntN(len(bad))]
			}
			dir := t.TempDir()
			put(t, filepath.Join(dir, "/var/lib/rpm/", name), string(bad))
			x := Read(dir)
			x.Owner("/usr/bin/dog")
			told += len(x.Problems())
		}
		if told < 50 {
			t.Errorf("%s: of 300 damages %d were told", name, told)
		}
	}
}

func TestSQLiteLoops(t *testing.T) {
	t.Parallel()
	const page = 512
	be := binary.BigEndian
	// Each page is a tree whose children are the next one, twenty times.
	const pages = 16
	db := make([]byte, pages*page)
	copy(db, "SQLite format 3\x00")
	be.PutUint16(db[16:], page)
	for n := range pages - 1 {
		b, head := db[n*page:][:page], 0
		if n == 0 {
			head = 100
		}
		b[head] = 5
		be.PutUint16(b[head+3:], 20)
		be.PutUint32(b[head+8:], uint32(n+2))
		for i := range 20 {
			be.PutUint16(b[head+12+2*i:], 200)
		}
		be.PutUint32(b[200:], uint32(n+2))
	}
	db[(pages-1)*page] = 13 // a leaf
	err := readSQLite(put(t, filepath.Join(t.TempDir(), "rpmdb.sqlite"), string(db)), func([]byte) error { return nil })
	if !errors.Is(err, errSQLite) {
		t.Errorf("a tree whose branches are one: %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(headerOf("felines", []string{"/usr/bin/"}, []string{"cat"}, []uint32{0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		header(b, func(pkg string, file []byte) error { return nil })
		columns(b)
	})
}

// headerOf makes a header as rpm's docs/manual/format.md describes it.
func headerOf(name string, dirs, bases []string, indexes []uint32) []byte {
	return headerWith(name, dirs, bases, indexes, nil)
}

// headerWith also says of each file what state it is in.
func headerWith(name string, dirs, bases []string, indexes []uint32, states []byte) []byte {
	be := binary.BigEndian
	var index, data []byte
	add := func(tag, kind, n uint32, value []byte) {
		for _, v := range []uint32{tag, kind, uint32(len(data)), n} {
			index = be.AppendUint32(index, v)
		}
		data = append(data, value...)
	}
	list := func(all []string) []byte { return []byte(strings.Join(all, "\x00") + "\x00") }
	add(tagName, typeString, 1, []byte(name+"\x00"))
	var numbers []byte
	for _, i := range indexes {
		numbers = be.AppendUint32(numbers, i)
	}
	add(tagDirIndexes, typeInt32, uint32(len(indexes)), numbers)
	if states != nil {
		add(tagStates, typeChar, uint32(len(states)), states)
	}
	add(tagBasenames, typeStrings, uint32(len(bases)), list(bases))
	add(tagDirnames, typeStrings, uint32(len(dirs)), list(dirs))
	b := be.AppendUint32(nil, uint32(len(index)/16))
	b = be.AppendUint32(b, uint32(len(data)))
	return append(append(b, index...), data...)
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		blob    []byte
		want    string
		damaged bool
	}{
		{"a package", headerOf("felines", []string{"/usr/bin/", "/opt/"}, []string{"cat", "lion"}, []uint32{0, 1}), "felines /usr/bin/cat felines /opt/lion ", false},
		{"a file that is not installed, and one that another package's replaced", headerWith("felines", []string{"/usr/bin/"}, []string{"cat", "lion", "lynx"}, []uint32{0, 0, 0}, []byte{2, 0, 1}), "felines /usr/bin/lion ", false},
		{"a folder that is not there", headerOf("felines", []string{"/usr/bin/"}, []string{"cat"}, []uint32{1}), "", true},
		{"fewer folders than files", headerOf("felines", []string{"/usr/bin/"}, []string{"cat", "lion"}, []uint32{0}), "", true},
		{"nothing", nil, "", true},
		{"more tags than there are", []byte{0, 0, 255, 255, 0, 0, 0, 0}, "", true},
	} {
		got := ""
		err := header(tc.blob, func(pkg string, file []byte) error {
			got += fmt.Sprintf("%s %s ", pkg, file)
			return nil
		})
		if got != tc.want || errors.Is(err, errHeader) != tc.damaged {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
	}
}
