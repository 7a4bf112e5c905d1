// Package journal remembers how far a rotation has come, so that it can be gone
// on with after a crash: one file a rotation, on the disk before the step that
// it announces is taken.
//
// It holds no secret, no part and no digest of one, and asks no service.
package journal

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/internal/private"
)

const (
	// version is that of the format of the files.
	version = 1
	// maxFile is the longest journal that is read or written, in bytes. A token
	// that stands in a thousand places makes a tenth of it.
	maxFile = 1 << 20
	// maxFiles is how many journals are looked at, and keep how many ended ones
	// are kept for the record.
	maxFiles, keep = 10_000, 200
)

var (
	// ErrNotFound is wrapped by errors that say that there is no such rotation.
	ErrNotFound = errors.New("no such rotation")
	// ErrBusy is wrapped by errors that say that another process has this
	// rotation, or is starting one, at this moment.
	ErrBusy = errors.New("it is being worked on by another wormbell")
	// ErrDamaged is wrapped by errors that say that a journal cannot be
	// understood: cut off, changed by somebody, or of a later version.
	ErrDamaged = errors.New("the journal cannot be understood")
)

// Config says how a [Dir] works.
type Config struct {
	Now func() time.Time // nil: time.Now
	// Step, unless it is nil, is called with a name around everything that is
	// done to a file: tests die there.
	Step func(string)
}

// Dir is the folder of journals. It is safe for concurrent use, also by several
// processes.
type Dir struct {
	path string
	now  func() time.Time
	step func(string)
}

// Open returns the journals in state, whose folder is made if it is missing.
func Open(state string, c Config) (*Dir, error) {
	d := &Dir{filepath.Join(state, "rotations"), c.Now, c.Step}
	if d.now == nil {
		d.now = time.Now
	}
	if d.step == nil {
		d.step = func(string) {}
	}
	if err := private.Dir(d.path); err != nil {
		return nil, err
	}
	return d, nil
}

// Entry is a rotation that is open for going on with: nobody else has it until
// [Entry.Close].
type Entry struct {
	Rotation
	dir  *Dir
	lock *private.Lock
}

// New begins a rotation and writes it down in state Planned. refuse, unless it
// is nil, is shown the rotations that have not ended; no other can begin
// before it returns, and its error keeps this one from beginning.
func (d *Dir) New(r Rotation, refuse func(unfinished []Rotation) error) (*Entry, error) {
	gate, err := d.lockAs("begin")
	if err != nil {
		return nil, err
	}
	defer gate.Release(false)
	all, _ := d.List() // a damaged one is told by whoever lists
	if refuse != nil {
		if err := refuse(slices.DeleteFunc(slices.Clone(all), func(r Rotation) bool { return r.State.Ended() })); err != nil {
			return nil, err
		}
	}
	d.prune(all)
	d.tidy()
	r.ID, r.State, r.Begun = newID(), Planned, d.now().UTC()
	lock, err := d.lockAs(r.ID)
	if err != nil {
		return nil, err
	}
	e := &Entry{r, d, lock}
	if err := e.Save(); err != nil {
		lock.Release(true)
		return nil, err
	}
	return e, nil
}

// Take opens rotation id for going on with.
func (d *Dir) Take(id string) (*Entry, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: %.20q", ErrNotFound, id)
	}
	if _, err := os.Lstat(d.file(id)); errors.Is(err, fs.ErrNotExist) { // before a lock is made for nothing
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	lock, err := d.lockAs(id)
	if err != nil {
		return nil, err
	}
	r, err := d.Read(id)
	if err != nil {
		lock.Release(false)
		return nil, err
	}
	return &Entry{r, d, lock}, nil
}

// Read returns rotation id as it was last written.
func (d *Dir) Read(id string) (Rotation, error) {
	if !validID(id) {
		return Rotation{}, fmt.Errorf("%w: %.20q", ErrNotFound, id)
	}
	b, err := private.Read(d.file(id), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Rotation{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return Rotation{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return decode(id, b)
}

func decode(id string, b []byte) (Rotation, error) {
	var f struct {
		Version int `json:"version"`
		Rotation
	}
	if err := json.Unmarshal(b, &f); err != nil { // without err: it may quote what is there
		return Rotation{}, fmt.Errorf("%w: %s is no whole JSON", ErrDamaged, id)
	}
	switch {
	case f.Version > version:
		return Rotation{}, fmt.Errorf("%w: %s is of version %d, this wormbell knows up to %d", ErrDamaged, id, f.Version, version)
	case f.Version < 1 || f.ID != id || !f.State.valid() || !f.Mode.valid() || f.Old.Kind == "" || f.Old.Name == "":
		return Rotation{}, fmt.Errorf("%w: %s says what cannot be", ErrDamaged, id)
	}
	return f.Rotation, nil
}

// List returns all rotations, the youngest first, and an error for those that
// could not be read, beside the others.
func (d *Dir) List() ([]Rotation, error) {
	dir, err := os.Open(d.path)
	if err != nil {
		return nil, fmt.Errorf("list rotations: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxFiles)
	if err != nil && len(names) > 0 {
		return nil, fmt.Errorf("list rotations: %w", err)
	}
	var all []Rotation
	var errs []error
	for _, name := range names {
		id, ok := strings.CutSuffix(name, ".json")
		if !ok || !validID(id) {
			continue
		}
		r, err := d.Read(id)
		if err == nil {
			all = append(all, r)
		} else if !errors.Is(err, ErrNotFound) { // pruned meanwhile
			errs = append(errs, err)
		}
	}
	slices.SortFunc(all, func(a, b Rotation) int {
		if c := b.Begun.Compare(a.Begun); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, errors.Join(errs...)
}

// prune removes the journals of what ended long ago. all is youngest first.
func (d *Dir) prune(all []Rotation) {
	ended := 0
	for _, r := range all {
		if !r.State.Ended() {
			continue
		}
		if ended++; ended > keep {
			private.Remove(d.file(r.ID)) // or the next time
		}
	}
}

// tidy removes what killed processes left of rotations that never began or have
// ended.
func (d *Dir) tidy() {
	dir, err := os.Open(d.path)
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxFiles)
	for _, name := range names {
		id, suffix, _ := strings.Cut(name, ".")
		if !validID(id) || suffix != "lock" && suffix != "json.new" {
			continue
		}
		lock, err := d.lockAs(id)
		if err != nil {
			continue // somebody works on it
		}
		r, err := d.Read(id)
		over := errors.Is(err, ErrNotFound) || err == nil && r.State.Ended()
		if over {
			os.Remove(d.file(id) + ".new")
		}
		lock.Release(over)
	}
}

// Move notes that the rotation has come to state to. It is on the disk when
// Move returns nil. A way that cannot be gone is an error, and nothing is
// written.
func (e *Entry) Move(to State) error {
	if !slices.Contains(ways[e.State], to) {
		return fmt.Errorf("journal %s: there is no way from %q to %q", e.ID, e.State, to)
	}
	was := e.State
	e.State = to
	if err := e.Save(); err != nil {
		e.State = was
		return err
	}
	return nil
}

// Save writes down what e says now.
func (e *Entry) Save() error {
	if e.lock == nil {
		return fmt.Errorf("journal %s: saved after it was closed", e.ID)
	}
	e.Updated = e.dir.now().UTC()
	b, err := json.MarshalIndent(struct {
		Version int `json:"version"`
		Rotation
	}{version, e.Rotation}, "", "\t")
	if err != nil {
		return fmt.Errorf("journal %s: %w", e.ID, err)
	}
	if len(b) > maxFile {
		return fmt.Errorf("journal %s: longer than %d bytes", e.ID, maxFile)
	}
	step := func(s string) { e.dir.step("journal " + string(e.State) + ": " + s) }
	if err := private.Write(e.dir.file(e.ID), append(b, '\n'), step); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Close lets go of the rotation.
func (e *Entry) Close() {
	e.lock.Release(e.State.Ended())
	e.lock = nil
}

func (d *Dir) file(id string) string { return filepath.Join(d.path, id+".json") }

func (d *Dir) lockAs(name string) (*private.Lock, error) {
	lock, err := private.TryLock(filepath.Join(d.path, name+".lock"))
	if errors.Is(err, private.ErrLocked) {
		return nil, fmt.Errorf("rotation %s: %w", name, ErrBusy)
	}
	return lock, err
}

// letters are those that are not mistaken for another when typed from a screen.
const letters = "23456789abcdefghjkmnpqrstuvwxyz"

// newID returns ten of letters. It stands in the label of the new token.
func newID() string {
	id := make([]byte, 0, 10)
	for len(id) < cap(id) {
		var b [1]byte
		rand.Read(b[:])
		if int(b[0]) < 256-256%len(letters) { // others would make the first letters likelier
			id = append(id, letters[int(b[0])%len(letters)])
		}
	}
	return string(id)
}

func validID(id string) bool {
	return len(id) == 10 && strings.Trim(id, letters) == ""
}
