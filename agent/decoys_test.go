//go:build linux

package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/decoy"
	"wormbell/watchers"
)

// TestDecoysAreKept: what was planted is known again after a start, for whom and
// where; nothing else becomes a decoy.
func TestDecoysAreKept(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	state, uid, log := t.TempDir(), os.Getuid(), slog.New(slog.DiscardHandler)
	user := strconv.Itoa(uid)
	homes := []watchers.Home{{Dir: home, User: user, UID: uid}}
	d := newDecoys(state, homes, log)
	nobody, cancel := context.WithCancel(t.Context())
	cancel() // there is no watcher to wait for
	kinds := 0
	plant := func(p string) (wormbell.Decoy, error) {
		if err := os.WriteFile(filepath.Join(home, strings.TrimPrefix(p, "~/")), []byte("made up"), 0o600); err != nil {
			t.Fatal(err)
		}
		kinds++
		return d.plant(nobody, uid, wormbell.Decoy{Home: home, Path: p, Kind: fmt.Sprint("kind", kinds)})
	}
	one, err := plant("~/.npmrc.bak")
	if err != nil || len(one.ID) != 8 || one.File.Inode == 0 || one.User != user || one.Planted.IsZero() {
		t.Fatalf("%+v, %v", one, err)
	}
	if _, err := d.plant(nobody, uid+1, wormbell.Decoy{Home: home, Path: "~/.npmrc.bak", Kind: "npm"}); err == nil {
		t.Error("planted in somebody else's home")
	}
	if _, err := d.plant(nobody, uid, wormbell.Decoy{Home: t.TempDir(), Path: "~/.npmrc.bak", Kind: "npm"}); err == nil {
		t.Error("planted in a home that is not guarded")
	}
	if _, err := d.plant(nobody, uid, wormbell.Decoy{Home: home, Path: "~/.npmrc.old", Kind: "npm"}); err == nil {
		t.Error("planted what is not there")
	}

	if err := os.WriteFile(filepath.Join(home, ".npmrc.save"), []byte("made up"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.plant(nobody, uid, wormbell.Decoy{Home: home, Path: "~/.npmrc.save", Kind: one.Kind}); err == nil || !strings.Contains(err.Error(), "of its kind") {
		t.Errorf("a second one of its kind: %v", err)
	}

	b, err := os.ReadFile(filepath.Join(state, decoy.ListName))
	if err != nil || strings.Contains(string(b), "made up") {
		t.Errorf("the list is %s, %v", b, err)
	}
	if info, err := os.Stat(filepath.Join(state, decoy.ListName)); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	again := newDecoys(state, homes, log)
	guarded := []wormbell.Guarded{{Store: wormbell.DecoyStore, User: user, Path: "~/.npmrc.bak", State: wormbell.GuardOn, LastBy: "cat"}}
	if list := again.all("", guarded); len(list) != 1 || list[0].ID != one.ID || list[0].File != one.File || list[0].State != wormbell.GuardOn || list[0].LastBy != "cat" {
		t.Errorf("after a start: %+v", list)
	}
	if list := again.all("", nil); list[0].State != wormbell.GuardNot || list[0].Why == "" {
		t.Errorf("not guarded: %+v", list)
	}
	if list := again.all("somebody else", guarded); list == nil || len(list) != 0 {
		t.Errorf("somebody else's: %+v", list)
	}
	if err := again.forget(one.ID); err != nil || len(newDecoys(state, homes, log).all("", nil)) != 0 {
		t.Errorf("it is not forgotten: %v", err)
	}

	// Only so many; and a list that cannot be read is told.
	for i := range maxDecoys + 1 {
		if _, err = plant("~/.npmrc." + string(rune('a'+i))); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("no end of decoys: %v", err)
	}
	// Nor so many in a minute, planted and taken back again and again.
	for range maxPlanted {
		for _, one := range d.all("", nil) {
			if err := d.forget(one.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err = plant("~/.npmrc.bak"); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "in a minute") {
		t.Errorf("no end of planting: %v", err)
	}
	if err := os.WriteFile(filepath.Join(state, decoy.ListName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if bad := newDecoys(state, homes, log); bad.trouble() == "" || len(bad.all("", nil)) != 0 {
		t.Errorf("a spoiled list is not told: %q", bad.trouble())
	}
	if b, err := os.ReadFile(filepath.Join(state, decoy.ListName+".damaged")); err != nil || string(b) != "{" {
		t.Errorf("it was not set aside: %q, %v", b, err)
	}
}
