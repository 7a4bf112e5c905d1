package edit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// most is how large a file may be. Files with credentials are small; what is
// larger is something else, or meant to hurt.
const most = 4 << 20

// maxLinks is how many symbolic links a path may go through; Linux allows 40 too.
const maxLinks = 40

// Read returns the content of a regular file of at most 4 MiB. It does not wait
// for pipes and does not open devices; it follows symbolic links, but for root
// only to files of the same user. An error wraps fs.ErrNotExist if there is no
// such file.
func Read(path string) ([]byte, error) {
	t, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	defer t.close()
	return t.data, nil
}

// Apply reads the file at path, asks find what to change in it, and writes it
// so, or not at all: into a new file in the same folder, which then takes the
// place of the old one. Mode, owner, group and extended attributes (on Windows:
// the access list) are kept; a symbolic link stays, and the file that it leads to
// is changed. If find returns no changes, nothing is written. An error of find is
// returned as it is.
//
// The error wraps ErrChanged if a change does not fit the file, or if the file
// changed meanwhile; between the last look and the replacement there are some
// microseconds in which a change would be lost. Apply refuses files of other
// users, files in folders where everybody may write, and files with several
// names (hard links), of which the others would keep the old value. What
// a crash left of an earlier Apply, in files that begin with ".wormbell-", is
// removed.
func Apply(path string, find func(data []byte) ([]Change, error)) error {
	return files{}.apply(path, find)
}

// Create makes a new file that only its owner can read. The error wraps
// fs.ErrExist if there is one already. After a crash the file is whole or not
// there.
func Create(path string, data []byte) error {
	return files{}.create(path, data)
}

// files does what Apply and Create do.
type files struct {
	// step, if not nil, is called before everything that changes the disk or
	// checks it, with its name: tests kill the process there.
	step func(name string)
}

func (f files) before(name string) {
	if f.step != nil {
		f.step(name)
	}
}

// target is a regular file that was read.
type target struct {
	where  place
	folder *os.Root
	file   *os.File    // open for reading
	info   fs.FileInfo // of the file when it was read
	data   []byte
}

func (t *target) close() {
	t.file.Close()
	t.folder.Close()
}

// open follows path and reads what it finds.
func open(path string) (*target, error) {
	where, err := follow(path, false)
	if err != nil {
		return nil, err
	}
	folder, err := os.OpenRoot(where.dir)
	if err != nil {
		return nil, err
	}
	t := &target{where: where, folder: folder}
	if t.file, t.info, t.data, err = read(folder, where.base); err != nil {
		folder.Close()
		return nil, err
	}
	if err := where.mayRead(t.info); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

var errIrregular = errors.New("not a regular file")

// read reads a regular file in folder and leaves it open. The Lstat before keeps
// devices from being opened, the Stat after from being fooled.
func read(folder *os.Root, base string) (*os.File, fs.FileInfo, []byte, error) {
	before, err := folder.Lstat(base)
	if err != nil {
		return nil, nil, nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, nil, nil, errIrregular
	}
	f, err := folder.OpenFile(base, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	info, data, err := content(f)
	if err == nil && !os.SameFile(before, info) {
		err = ErrChanged
	}
	if err != nil {
		f.Close()
		return nil, nil, nil, err
	}
	return f, info, data, nil
}

func content(f *os.File) (fs.FileInfo, []byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errIrregular
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > most {
		return nil, nil, fmt.Errorf("it is larger than %d MiB", most>>20)
	}
	return info, data, nil
}

func (f files) apply(path string, find func([]byte) ([]Change, error)) error {
	t, err := open(path)
	if err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	defer t.close()
	changes, err := find(bytes.Clone(t.data))
	if err != nil {
		return err
	}
	f.before("clean")
	t.clean()
	changes, err = check(t.data, changes)
	if err != nil {
		return fmt.Errorf("change %q: %w", path, err)
	}
	data := splice(t.data, changes)
	if bytes.Equal(data, t.data) {
		return nil
	}
	if len(data) > most {
		return fmt.Errorf("change %q: it would be larger than %d MiB", path, most>>20)
	}
	if err := f.replace(path, t, data); err != nil {
		return fmt.Errorf("change %q: %w", path, err)
	}
	return nil
}

// replace puts a file with data where t stands.
func (f files) replace(path string, t *target, data []byte) (err error) {
	if t.info, err = t.file.Stat(); err != nil { // again: cleaning took a name off a file that Create made
		return err
	}
	if err := t.where.mayWrite(t.folder, t.info); err != nil {
		return err
	}
	f.before("create")
	temp, err := f.temporary(t.folder, t.where.base, t.info.Mode().Perm()&0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.discard()) }()
	if err := f.fill(temp.file, data); err != nil {
		return err
	}
	f.before("dress")
	if err := dress(t.folder, t.file, t.info, temp.file); err != nil {
		return fmt.Errorf("give the new file the owner and the mode of the old: %w", err)
	}
	f.before("sync")
	if err := temp.file.Sync(); err != nil {
		return err
	}
	f.before("check")
	if err := t.unchanged(path); err != nil {
		return err
	}
	f.before("rename")
	beforeRename(t.file)
	if err := temp.moveTo(t.where.base); err != nil {
		return err
	}
	f.before("sync folder")
	return syncFolder(t.folder)
}

// fill writes data in two pieces, so that tests can stop in the middle.
func (f files) fill(file *os.File, data []byte) error {
	for _, part := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
		f.before("write")
		if _, err := file.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// unchanged reports by an error that wraps ErrChanged that path no longer leads
// to the file that was read, or that this is another now.
func (t *target) unchanged(path string) error {
	where, err := follow(path, false)
	if err != nil || where != t.where {
		return ErrChanged
	}
	file, info, data, err := read(t.folder, t.where.base)
	if err != nil {
		return ErrChanged
	}
	defer file.Close()
	if !os.SameFile(info, t.info) || !info.ModTime().Equal(t.info.ModTime()) || info.Mode() != t.info.Mode() ||
		!sameOwner(info, t.info) || !bytes.Equal(data, t.data) {
		return ErrChanged
	}
	return nil
}

func (f files) create(path string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("create %q: %w", path, err)
		}
	}()
	if len(data) > most {
		return fmt.Errorf("it would be larger than %d MiB", most>>20)
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist // also for a symbolic link that leads nowhere
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	where, err := follow(filepath.Dir(path), true)
	if err != nil {
		return err
	}
	where.base = filepath.Base(path)
	folder, err := os.OpenRoot(where.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	(&target{where: where, folder: folder}).clean()
	if err := where.mayWriteIn(folder); err != nil {
		return err
	}
	f.before("create")
	temp, err := f.temporary(folder, where.base, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.discard()) }()
	if err := f.fill(temp.file, data); err != nil {
		return err
	}
	if err := where.give(temp.file); err != nil {
		return err
	}
	f.before("sync")
	if err := temp.file.Sync(); err != nil {
		return err
	}
	f.before("link")
	if err := temp.linkTo(where.base); err != nil {
		return err
	}
	f.before("sync folder")
	return syncFolder(folder)
}

// prefix begins the names of our temporary files.
const prefix = ".wormbell-"

// random is how many hexadecimal digits end them.
const random = 16

// temporaryName is the part of a temporary file's name that tells for which file
// it is. Names have 255 bytes at most (NAME_MAX).
func temporaryName(base string) string {
	return prefix + base[:min(len(base), 255-len(prefix)-random-1)] + "."
}

// temporary is a file that is to become another.
type temporary struct {
	folder *os.Root
	file   *os.File
	name   string // "" once it is no longer there
}

func (f files) temporary(folder *os.Root, base string, mode fs.FileMode) (*temporary, error) {
	b := make([]byte, random/2)
	rand.Read(b) // never fails (crypto/rand)
	name := temporaryName(base) + hex.EncodeToString(b)
	// Never wider than it will be, and readable by its owner alone as long as it
	// is not whole.
	file, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	f.before("lock")
	hold(file)
	return &temporary{folder, file, name}, nil
}

// discard removes what was not used.
func (t *temporary) discard() error {
	t.file.Close() // Sync has told of errors, and after it there is nothing to lose
	if t.name == "" {
		return nil
	}
	if err := t.folder.Remove(t.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a temporary file: %w", err)
	}
	return nil
}

// moveTo makes the file the one called base. That it is still ours under its
// name is looked at first: whoever may write in the folder could have put
// another there.
func (t *temporary) moveTo(base string) error {
	if err := t.ours(); err != nil {
		return err
	}
	beforeRename(t.file)
	if err := t.folder.Rename(t.name, base); err != nil {
		return err
	}
	t.name = ""
	return nil
}

// linkTo gives the file the name base unless something has it.
func (t *temporary) linkTo(base string) error {
	if err := t.ours(); err != nil {
		return err
	}
	err := t.folder.Link(t.name, base)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err // discard removes the first name
	}
	// A file system without hard links (vfat). A crash can leave an empty file here.
	file, err := t.folder.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	file.Close()
	return t.moveTo(base)
}

func (t *temporary) ours() error {
	there, err := t.folder.Lstat(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	if info, err := t.file.Stat(); err != nil || !os.SameFile(there, info) {
		return ErrChanged
	}
	return nil
}

// clean removes temporary files that a crash left of this target. What another
// process is working on is locked and stays. Errors do not matter: the next
// Apply tries again.
func (t *target) clean() {
	dir, err := t.folder.Open(".")
	if err != nil {
		return
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			t.cleanOne(name)
		}
		if err != nil {
			return
		}
	}
}

func (t *target) cleanOne(name string) {
	tail, ok := strings.CutPrefix(name, temporaryName(t.where.base))
	if !ok || len(tail) != random || slices.ContainsFunc([]byte(tail), func(c byte) bool { return !strings.ContainsRune("0123456789abcdef", rune(c)) }) {
		return
	}
	info, err := t.folder.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || t.where.mayClean(info) != nil || held(t.folder, name, info) {
		return
	}
	t.folder.Remove(name)
}
