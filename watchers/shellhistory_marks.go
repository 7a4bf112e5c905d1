package watchers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// marks remember how far the histories were read when the agent ended, so that
// what was typed while it did not run is told when it runs again, and what was
// there before it ever ran is not. They hold offsets and times: no text, and
// nothing made of one. Whoever can change them could end the agent as well: the
// folder is the agent's own.
type marks struct {
	file  string // "": they are not kept
	log   *slog.Logger
	dirty bool

	Version int                  `json:"version"`
	Homes   map[string]time.Time `json:"homes"` // homes whose histories have been looked at, and when last
	Files   map[string]mark      `json:"files"`
}

// mark is how far one file was read.
type mark struct {
	End  int64     `json:"end"`  // offset behind the last command that was told or known
	Seen time.Time `json:"seen"` // when
	// Shape is how long the last lines before End were, in bytes: a shell that
	// drops its oldest commands moves them, and leaves their lengths as they are.
	Shape []int `json:"shape,omitempty"`
}

const (
	// maxShape is how many lines are found again by their lengths, and minShape
	// how many it takes: a few are alike in every history.
	maxShape, minShape = 48, 6
	// shapeReach is how much of the end of a file is searched for them, in bytes.
	shapeReach = 1 << 20
)

// shapeOf returns how long the last lines before the offset end were.
func shapeOf(f io.ReaderAt, end int64) []int {
	lengths, _ := lineLengths(f, end, 16<<10)
	return lengths[max(0, len(lengths)-maxShape):]
}

// lineLengths returns how long the lines are that end in the last reach bytes
// before the offset end, and the offset behind each.
func lineLengths(f io.ReaderAt, end, reach int64) (lengths []int, ends []int64) {
	from := max(0, end-reach)
	b := make([]byte, end-from)
	n, err := f.ReadAt(b, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil
	}
	b = b[:n]
	last := -1
	if from > 0 { // a line that began before has no length here
		last = bytes.IndexByte(b, '\n')
	}
	for i, c := range b {
		if c == '\n' && i > last {
			lengths, ends = append(lengths, i-last), append(ends, from+int64(i)+1)
			last = i
		}
	}
	return lengths, ends
}

// moved returns the offset to which what stood before the mark has moved in a
// file of that size; ok says that it was found.
func (m mark) moved(f io.ReaderAt, size int64) (end int64, ok bool) {
	if len(m.Shape) < minShape {
		return 0, false
	}
	lengths, ends := lineLengths(f, size, shapeReach)
	for i := len(lengths); i >= minShape; i-- {
		// Where the file begins, so may what is left of them.
		n := len(m.Shape)
		if i < n && size <= shapeReach {
			n = i
		}
		if i >= n && slices.Equal(lengths[i-n:i], m.Shape[len(m.Shape)-n:]) {
			return ends[i-1], true
		}
	}
	return 0, false
}

const (
	marksName    = "shell-histories.json"
	marksVersion = 1
	maxMarks     = 1 << 20 // bytes; a file has some 300
)

// loadMarks reads the marks in the folder state; there are none if that is "",
// and none that can be used is as none: then what is there is taken as known.
func loadMarks(state string, log *slog.Logger) *marks {
	m := &marks{log: log}
	if state != "" {
		m.file = filepath.Join(state, marksName)
		if err := m.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("what was typed while the agent did not run is not known", "err", err)
		}
	}
	m.Version = marksVersion
	if m.Homes == nil {
		m.Homes = map[string]time.Time{}
	}
	if m.Files == nil {
		m.Files = map[string]mark{}
	}
	return m
}

func (m *marks) load() error {
	f, err := os.Open(m.file)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMarks+1))
	if err != nil {
		return fmt.Errorf("read %q: %w", m.file, err)
	}
	var read marks
	if err := json.Unmarshal(b, &read); err != nil {
		return fmt.Errorf("read %q: %w", m.file, err)
	}
	if len(b) > maxMarks || read.Version != marksVersion {
		return fmt.Errorf("read %q: version %d is not known here", m.file, read.Version)
	}
	for p, k := range read.Files {
		if k.End < 0 || len(k.Shape) > maxShape {
			delete(read.Files, p)
		}
	}
	m.Homes, m.Files = read.Homes, read.Files
	return nil
}

// set notes that a file of home was read up to end.
func (m *marks) set(home *Home, file string, f io.ReaderAt, end int64, now time.Time) {
	if old, ok := m.Files[file]; m.file == "" || ok && old.End == end || !ok && len(m.Files) > 4*maxHistories {
		return
	}
	m.Homes[home.Dir], m.Files[file], m.dirty = now, mark{end, now, shapeOf(f, end)}, true
}

// save writes the marks if they changed: into a new file that takes the place of
// the old one. A crash of the machine may bring the old one back; then some
// commands are told twice.
func (m *marks) save() {
	if !m.dirty || m.file == "" {
		return
	}
	m.dirty = false
	if err := m.write(); err != nil {
		m.log.Warn("what is typed while the agent does not run will not be known", "err", err)
	}
}

func (m *marks) write() error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write %q: %w", m.file, err)
	}
	f, err := os.CreateTemp(filepath.Dir(m.file), marksName+".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write %q: %w", m.file, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), m.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %q: %w", m.file, err)
	}
	return nil
}
