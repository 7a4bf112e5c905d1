package watchers

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers/internal/signer"
)

// Who has big files read again and again is no longer served for a while, and
// others are.
func TestSumBudget(t *testing.T) {
	t.Parallel()
	var s sums
	if !s.left(1) {
		t.Error("nothing was spent yet")
	}
	s.spend(1, sumBudget-time.Millisecond)
	if !s.left(1) {
		t.Error("something is left")
	}
	s.spend(1, time.Hour)
	if s.left(1) || !s.left(2) {
		t.Error("another's budget counts")
	}
	s.spent[1] = spent{time.Hour, time.Now().Add(-10 * time.Hour)}
	if !s.left(1) {
		t.Error("it is not given back")
	}
}

// What is over the budget is not read, and what is known already needs none.
// For a row a name is read once whatever was spent: the agent has just started.
func TestSumOverBudget(t *testing.T) {
	t.Parallel()
	files := signer.NewFiles()
	t.Cleanup(files.Close)
	var s sums
	t.Cleanup(s.close)
	dir, me := t.TempDir(), os.Getuid()
	file := putFile(t, filepath.Join(dir, "x.js"), "first")
	asked := func(row bool) error {
		_, _, err := s.of(files, file, time.Minute, row, func(signer.Found) error { return nil })
		return err
	}
	spent := func() time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.spent[me].time
	}
	s.spend(me, time.Hour)
	before := spent()
	if err := asked(false); err != errBusy {
		t.Errorf("over the budget: %v", err)
	}
	if err := asked(true); err != nil {
		t.Errorf("the first reading for a row: %v", err)
	}
	if err := asked(false); err != nil {
		t.Errorf("it is known: %v", err)
	}
	if spent() != before {
		t.Error("the first reading for a row was charged")
	}
	os.Remove(file)
	putFile(t, file, "other")
	if err := asked(true); err != errBusy {
		t.Errorf("the second reading for a row: %v", err)
	}
	var again interface{ Temporary() bool }
	if !errors.As(asked(true), &again) || !again.Temporary() {
		t.Error("a second try is no use")
	}
}

// stuck is a disk that does not answer until it is let go on.
type stuck struct {
	io.Reader
	goOn <-chan struct{}
}

func (s stuck) Read(b []byte) (int, error) {
	<-s.goOn
	return s.Reader.Read(b)
}

// A disk that does not answer stops nobody who judges a read: then nothing is
// known, neither of what is on it nor of what waits behind it. What was read
// meanwhile is known next time.
func TestUnchangedOnAStuckDisk(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	row := func(name string) wormbell.TrustRow {
		of := procLineage(t, LineageConfig{})
		row := wormbell.TrustRow{Who: "exe:/usr/bin/env script:" + putFile(t, filepath.Join(home, name), name)}
		if row.Digest, err = of.Digest(row.Who, os.Getuid()); err != nil {
			t.Fatal(err)
		}
		return row
	}
	one, two, three := row("one.js"), row("two.js"), row("three.js")
	l := procLineage(t, LineageConfig{})
	is := func(what string, row wormbell.TrustRow, same, known bool) {
		t.Helper()
		if s, k := l.Unchanged(row, after(gone)); s != same || k != known {
			t.Errorf("%s: same %v, known %v", what, s, k)
		}
	}
	is("a disk that answers", three, true, true)
	goOn := make(chan struct{})
	l.sums.patience = sumPatience
	l.sums.through = func(r io.Reader) io.Reader { return stuck{r, goOn} }
	for range 3 {
		is("a stuck disk", one, false, false)
		is("behind it", two, false, false)
		is("what is known", three, true, true)
	}
	close(goOn)
	for _, row := range []wormbell.TrustRow{one, two} {
		eventually(t, "it is read", func() bool { return holds(l, row, after(gone)) })
	}
	one.Digest = three.Digest
	is("another", one, false, true)
}

// What rows are about is read before anybody asks, so that a cold disk does not
// make them ring.
func TestWarm(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	script, npmrc := putFile(t, filepath.Join(home, "x.js"), "first"), putFile(t, filepath.Join(home, ".npmrc"), "x")
	row := wormbell.TrustRow{Who: "exe:/usr/bin/env script:" + script, By: strconv.Itoa(os.Getuid())}
	if row.Digest, err = procLineage(t, LineageConfig{}).Digest(row.Who, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	known := func() int {
		l.sums.mu.Lock()
		defer l.sums.mu.Unlock()
		return len(l.sums.known)
	}
	l.Warm([]wormbell.TrustRow{{Who: "exe:" + npmrc, Digest: "sha256:0"}, {Who: "exe:" + script}, {Who: "signer:x", Digest: "sha256:0"}})
	l.Warm([]wormbell.TrustRow{row})
	eventually(t, "it is read", func() bool { return known() == 1 })
	l.sums.patience = 0 // nothing that must be read is known in time
	if same, known := l.Unchanged(row, after(gone)); !same || !known {
		t.Errorf("same %v, known %v", same, known)
	}
	if known() != 1 {
		t.Errorf("%d sums are known", known())
	}
}

// The agent ends although a disk does not answer, and what reads ends as soon
// as it can.
func TestSumsEnd(t *testing.T) {
	t.Parallel()
	files := signer.NewFiles()
	t.Cleanup(files.Close)
	goOn := make(chan struct{})
	s := sums{through: func(r io.Reader) io.Reader { return stuck{r, goOn} }}
	file := putFile(t, filepath.Join(t.TempDir(), "x.js"), "first")
	ask := func() error {
		_, _, err := s.of(files, file, time.Millisecond, true, func(signer.Found) error { return nil })
		return err
	}
	if err := ask(); err != errLate {
		t.Fatalf("a stuck disk: %v", err)
	}
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	s.close()
	close(goOn)
	select {
	case <-idle:
	case <-time.After(20 * time.Second):
		t.Fatal("it reads on")
	}
	if err := ask(); err != errLate {
		t.Errorf("after the end: %v", err)
	}
}
