package watchers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"wormbell/watchers/internal/fanotify"
)

// TestFloodedBook: whoever makes more files that are called like a credential than
// can be remembered has none of the real ones forgotten.
func TestFloodedBook(t *testing.T) {
	t.Parallel()
	home := Home{Dir: t.TempDir(), User: "1000"}
	b := newGuardBook()
	real := map[string]fanotify.ID{}
	for _, name := range []string{".npmrc", ".ssh/id_ed25519", ".ssh/id_rsa", ".ssh/id_dotfiles"} {
		file := filepath.Join(home.Dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if name == ".ssh/id_dotfiles" { // is guarded by the name of a link to it
			is := filepath.Join(home.Dir, "dotfiles")
			if err := os.Symlink(is, file); err != nil {
				t.Fatal(err)
			}
			file = is
		}
		if err := os.WriteFile(file, []byte("decoy"), 0o600); err != nil {
			t.Fatal(err)
		}
		id, ok := fileAt(file)
		if !ok {
			t.Fatalf("no %s", file)
		}
		real[name] = id
		b.enroll(id, guardedFile{home: home, path: "~/" + name})
	}
	for i := range maxBook + 100 {
		id := real[".npmrc"]
		id.Ino += uint64(1 + i)
		id.Born += int64(1 + i)
		b.enroll(id, guardedFile{home: home, path: fmt.Sprintf("~/.ssh/id_%d", i)})
	}
	files := b.view.Load().files
	if len(files) != maxBook || len(b.order) != maxBook {
		t.Errorf("%d files are known, and %d are in order", len(files), len(b.order))
	}
	for name, id := range real {
		if f, ok := files[id]; !ok || f.path != "~/"+name {
			t.Errorf("%s is forgotten", name)
		}
	}
}
