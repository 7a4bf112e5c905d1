package edit_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormbell/agent/respond/edit"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// set returns a find that sets key to new.
func set(key, new string) func([]byte) ([]edit.Change, error) {
	return func(data []byte) ([]edit.Change, error) {
		for _, e := range edit.INI(data) {
			if e.Path[0] == key {
				c, err := e.Replace(data, new)
				return []edit.Change{c}, err
			}
		}
		return nil, errors.New("no " + key)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "# c\r\nk=old\xff\r\nl=1")
	if err := edit.Apply(path, set("k", "new")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "# c\r\nk=new\r\nl=1" {
		t.Errorf("%q", got)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// Two changes, in any order.
	err = edit.Apply(path, func(data []byte) ([]edit.Change, error) {
		all := edit.INI(data)
		a, err1 := all[0].Replace(data, "a longer one")
		b, err2 := all[1].Replace(data, "2")
		return []edit.Change{b, a}, errors.Join(err1, err2)
	})
	if got := read(t, path); err != nil || got != "# c\r\nk=a longer one\r\nl=2" {
		t.Errorf("%q, %v", got, err)
	}
	if after, err := os.Stat(path); err != nil || after.Mode() != before.Mode() || os.SameFile(before, after) {
		t.Errorf("%v, %v: not a new file of the same mode", after.Mode(), err)
	}
}

func TestApplyWritesNothing(t *testing.T) {
	t.Parallel()
	mistake := errors.New("a mistake")
	tests := []struct {
		name string
		find func([]byte) ([]edit.Change, error)
		want error // nil: none, otherwise wrapped; errAny: some
	}{
		{"no changes", func([]byte) ([]edit.Change, error) { return nil, nil }, nil},
		{"the same", set("k", "old"), nil},
		{"an error", func([]byte) ([]edit.Change, error) { return nil, mistake }, mistake},
		{"something else stands there", func([]byte) ([]edit.Change, error) {
			return []edit.Change{{edit.Span{From: 2, To: 5}, "odd", "new"}}, nil
		}, edit.ErrChanged},
		{"beyond the end", func([]byte) ([]edit.Change, error) {
			return []edit.Change{{edit.Span{From: 2, To: 50}, "old", "new"}}, nil
		}, edit.ErrChanged},
		{"overlapping", func([]byte) ([]edit.Change, error) {
			return []edit.Change{{edit.Span{From: 2, To: 5}, "old", "new"}, {edit.Span{From: 4, To: 5}, "d", "new"}}, nil
		}, errAny},
		{"turned round", func([]byte) ([]edit.Change, error) {
			return []edit.Change{{edit.Span{From: 5, To: 2}, "", "new"}}, nil
		}, errAny},
		{"too large", func([]byte) ([]edit.Change, error) {
			return []edit.Change{{edit.Span{From: 2, To: 5}, "old", strings.Repeat("x", 4<<20)}}, nil
		}, errAny},
		{"it was changed by find", func(data []byte) ([]edit.Change, error) {
			copy(data, "X")
			return []edit.Change{{edit.Span{From: 0, To: 1}, "X", "Y"}}, nil
		}, edit.ErrChanged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			write(t, path, "k=old\n")
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			err = edit.Apply(path, tt.find)
			if tt.want == errAny && err == nil || tt.want != errAny && !errors.Is(err, tt.want) {
				t.Errorf("error %v", err)
			}
			after, err := os.Stat(path)
			if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) || read(t, path) != "k=old\n" {
				t.Errorf("it was written: %v", err)
			}
			if all, err := os.ReadDir(dir); len(all) != 1 || err != nil {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
}

var errAny = errors.New("any error")

func TestNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	_, err := edit.Read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := edit.Apply(path, set("k", "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := edit.Create(filepath.Join(path, "f"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 4<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := edit.Read(path); err == nil {
		t.Error("read")
	}
	if err := os.Truncate(path, 4<<20); err != nil {
		t.Fatal(err)
	}
	if b, err := edit.Read(path); err != nil || len(b) != 4<<20 {
		t.Error(len(b), err)
	}
}

func TestLongName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("n", 255))
	if err := edit.Create(path, []byte("k=old")); err != nil {
		t.Fatal(err)
	}
	if err := edit.Apply(path, set("k", "new")); err != nil || read(t, path) != "k=new" {
		t.Error(err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := edit.Create(path, []byte("k=1")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "k=1" {
		t.Errorf("%q", got)
	}
	if err := edit.Create(path, []byte("k=2")); !errors.Is(err, fs.ErrExist) || read(t, path) != "k=1" {
		t.Error(err)
	}
	dangling := filepath.Join(dir, "l")
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), dangling); err != nil {
		t.Skipf("needs symbolic links: %v", err)
	}
	if err := edit.Create(dangling, []byte("k=2")); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if all, err := os.ReadDir(dir); len(all) != 2 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}
