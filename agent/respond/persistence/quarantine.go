package persistence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
)

// maxCopy is how large a program may be that is taken away; bun is 100 MB.
const maxCopy = 1 << 30

// folderOf opens the folder that p lies in, so that whoever swaps a folder for
// a link meanwhile gains nothing: the way there is resolved first, and then
// gone without following anything.
func (f *files) folderOf(p string) (*os.Root, string, error) {
	dir, info, err := f.resolve(filepath.Dir(p))
	if err != nil {
		return nil, "", err
	}
	if !info.IsDir() {
		return nil, "", errNotDir
	}
	if runtime.GOOS == "windows" {
		root, err := os.OpenRoot(dir)
		return root, filepath.Base(p), err
	}
	top, rest := f.above(dir)
	root, err := os.OpenRoot(top)
	if err != nil {
		return nil, "", err
	}
	for name := range strings.SplitSeq(strings.Trim(rest, "/"), "/") {
		if name == "" {
			continue
		}
		before, err := root.Lstat(name)
		if err == nil && !before.IsDir() {
			err = fmt.Errorf("%q: %w", dir, edit.ErrChanged)
		}
		var next *os.Root
		if err == nil {
			next, err = root.OpenRoot(name)
		}
		root.Close()
		if err != nil {
			return nil, "", err
		}
		after, err := next.Stat(".")
		if err == nil && !os.SameFile(before, after) {
			err = fmt.Errorf("%q: %w", dir, edit.ErrChanged)
		}
		if err != nil {
			next.Close()
			return nil, "", err
		}
		root = next
	}
	return root, filepath.Base(p), nil
}

// above splits a resolved folder into the one to begin at and the rest of the
// way. Below a home it is the home: what leads there is not the user's to swap,
// nor perhaps to read (/home may be 0711), which opening each folder needs.
func (f *files) above(dir string) (top, rest string) {
	home, err := filepath.EvalSymlinks(f.home)
	if err == nil && filepath.IsAbs(home) {
		if rest, ok := strings.CutPrefix(dir+"/", strings.TrimSuffix(home, "/")+"/"); ok {
			return home, rest
		}
	}
	return "/", dir
}

// move takes a file or a link into the folder: copied, put on record, and then
// removed, so that after a crash it is in one of the two places at least.
func (d *disabling) move(st step) error {
	folder, name, err := d.files.folderOf(st.From)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone already
	}
	if err != nil {
		return plainError(err)
	}
	defer folder.Close()
	info, err := folder.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return plainError(err)
	}
	it := item{Kind: stepMove, From: st.From, Mode: info.Mode().Perm(), Modified: info.ModTime()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if it.Link, err = folder.Readlink(name); err != nil {
			return plainError(err)
		}
	case info.Mode().IsRegular():
		it.Copy = itoa(len(d.manifest.Items)+1) + "-" + safeName(name)
		if err := d.copy(folder, name, info, it.Copy); err != nil {
			return plainError(err)
		}
	default:
		return errKind
	}
	if err := d.note(it); err != nil {
		return err
	}
	if now, err := folder.Lstat(name); err != nil || !os.SameFile(now, info) || !now.ModTime().Equal(info.ModTime()) || now.Size() != info.Size() {
		return edit.ErrChanged
	}
	if err := folder.Remove(name); err != nil {
		return plainError(err)
	}
	d.did("took away %s", d.files.tilde(st.From))
	return nil
}

// copy copies a file that is still what info says.
func (d *disabling) copy(folder *os.Root, name string, info fs.FileInfo, as string) error {
	if info.Size() > maxCopy {
		return errTooLarge
	}
	from, err := folder.OpenFile(name, os.O_RDONLY|openSafely, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	if now, err := from.Stat(); err != nil || !os.SameFile(now, info) {
		return errors.Join(err, edit.ErrChanged)
	}
	// Nobody may run it from there.
	to, err := os.OpenFile(filepath.Join(d.folder, as), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, io.LimitReader(from, maxCopy))
	if err == nil && n != info.Size() {
		err = edit.ErrChanged
	}
	return errors.Join(err, to.Sync(), to.Close(), syncDir(d.folder))
}

// safeName is a name fit for our own folder.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, cut(name, 80))
	return strings.TrimLeft(name, ".-")
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Taken lists the names of the folders that Restore can put back, oldest first.
func Taken(c Config) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(c.State, "quarantine"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list what was taken away: %w", err)
	}
	var out []string
	for _, e := range entries {
		if m, err := readManifest(filepath.Join(c.State, "quarantine", e.Name())); err == nil && m.Put.IsZero() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

func readManifest(folder string) (manifest, error) {
	var m manifest
	b, err := edit.Read(filepath.Join(folder, manifestName))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Version != 1 {
		return m, fmt.Errorf("read %q: it is not a manifest of ours", filepath.Join(folder, manifestName))
	}
	return m, nil
}

// Restore puts back what Disable took into the folder of this name, the last
// first. What stands in the way is left alone and told of. It starts nothing.
func Restore(ctx context.Context, c Config, name string) (Done, error) {
	c, err := c.complete()
	if err != nil {
		return Done{}, err
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") || c.State == "" {
		return Done{}, fmt.Errorf("restore %q: it is not the name of a folder", name)
	}
	folder := filepath.Join(c.State, "quarantine", name)
	m, err := readManifest(folder)
	if err != nil {
		return Done{}, fmt.Errorf("restore: %w", err)
	}
	r := &restoring{scan: newScan(c), Done: Done{Folder: name}, folder: folder}
	for _, it := range slices.Backward(m.Items) {
		if err := r.put(ctx, it); err != nil {
			r.leave("%s: %v", strings.TrimSpace(it.Kind+" "+r.files.tilde(it.From)), plainError(err))
		}
	}
	if len(r.Left) > 0 {
		return r.Done, fmt.Errorf("restore: %w: %s", ErrLeft, strings.Join(r.Left, "; "))
	}
	m.Put = c.Now().UTC()
	if err := m.write(folder); err != nil {
		return r.Done, fmt.Errorf("restore: %w", err)
	}
	return r.Done, nil
}

type restoring struct {
	*scan
	Done
	folder string
}

// errForged says that an item is none that Disable wrote. The folder is the
// user's, so whoever runs as the user can have put one there, to have it planted
// by us.
var errForged = errors.New("it is nothing that was taken from there")

// check reports whether Disable can have written it.
func (r *restoring) check(it item) error {
	ok := true
	switch it.Kind {
	case stepMove, stepLine, stepJSON:
		ok = filepath.IsAbs(it.From) && filepath.Clean(it.From) == it.From && r.files.place(it.From) >= inHome &&
			(it.Kind != stepLine || it.New != "" && it.Old != "")
	case stepCron:
		ok = it.New != "" && it.Old != ""
	case stepTask:
		ok = len(it.Names) > 0
	case stepRunKey:
		ok = len(it.Names) > 1
	}
	if !ok {
		return errForged
	}
	return nil
}

// Contents says, a line each, what Restore would put back from a folder: the
// person should see it before, for the folder is theirs and so is any program's
// that runs as them.
func Contents(c Config, name string) ([]string, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") || c.State == "" {
		return nil, fmt.Errorf("restore %q: it is not the name of a folder", name)
	}
	folder := filepath.Join(c.State, "quarantine", name)
	m, err := readManifest(folder)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	f := newFiles(c)
	var out []string
	for _, it := range m.Items {
		if it.Kind == stepAt {
			out = append(out, clean(atLine(folder, it)))
			continue
		}
		line := it.Kind + " " + f.tilde(it.From)
		if it.Link != "" {
			line += " → " + it.Link
		}
		if it.Kind != stepMove && it.Old != "" {
			line += ": " + command(it.Old)
		}
		out = append(out, clean(line))
	}
	return out, nil
}

// put puts one item back.
func (r *restoring) put(ctx context.Context, it item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.check(it); err != nil {
		return err
	}
	var err error
	switch it.Kind {
	case stepMove:
		return r.file(it)
	case stepLine, stepJSON:
		err = edit.Apply(it.From, func(data []byte) ([]edit.Change, error) { return uncut(string(data), it) })
	case stepCron:
		err = r.cron(ctx, it)
	case stepAt:
		err = atAgain(r.folder, it)
	case stepTask:
		_, err = r.Run(ctx, nil, "schtasks", "/Change", "/TN", it.Names[0], "/ENABLE")
	case stepRunKey:
		_, err = r.Run(ctx, nil, "reg", "add", it.From, "/v", it.Names[0], "/t", it.Names[1], "/d", it.Old, "/f")
	default:
		return nil
	}
	if err == nil {
		r.did("put back what was in %s", r.files.tilde(it.From))
	}
	return err
}

// file puts a file or a link back, if its place is free or holds the same.
func (r *restoring) file(it item) error {
	if err := os.MkdirAll(filepath.Dir(it.From), 0o755); err != nil {
		return err
	}
	folder, name, err := r.files.folderOf(it.From)
	if err != nil {
		return err
	}
	defer folder.Close()
	if it.Link != "" {
		if to, err := folder.Readlink(name); err == nil && to == it.Link {
			return nil
		}
		if err := folder.Symlink(it.Link, name); err != nil {
			return err
		}
		r.did("put back %s", r.files.tilde(it.From))
		return nil
	}
	if it.Copy != filepath.Base(it.Copy) || it.Copy == "" {
		return fmt.Errorf("%q is not the name of a copy", it.Copy)
	}
	from, err := os.OpenFile(filepath.Join(r.folder, it.Copy), os.O_RDONLY|openSafely, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openSafely, 0o600)
	if errors.Is(err, fs.ErrExist) && same(folder, name, from) {
		return nil // a crash came before it was removed
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	err = errors.Join(err, to.Chmod(it.Mode.Perm()), to.Sync(), to.Close())
	if err == nil {
		err = folder.Chtimes(name, it.Modified, it.Modified)
	}
	if err != nil {
		return errors.Join(err, folder.Remove(name))
	}
	r.did("put back %s", r.files.tilde(it.From))
	return nil
}

// same reports whether the file there has the copy's content.
func same(folder *os.Root, name string, copied *os.File) bool {
	if info, err := folder.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() > maxProgram {
		return false
	}
	there, err := folder.ReadFile(name)
	if err != nil {
		return false
	}
	mine, err := io.ReadAll(io.LimitReader(copied, maxProgram+1))
	return err == nil && bytes.Equal(there, mine)
}

// uncut undoes cutLine and cutMember.
func uncut(text string, it item) ([]edit.Change, error) {
	if it.Kind == stepLine {
		at := strings.Index(text, it.New)
		if at < 0 {
			if strings.Contains(text, it.Old) {
				return nil, nil // somebody has put it back, or it was never taken
			}
			return nil, fmt.Errorf("%w: the remark in its place is gone", edit.ErrChanged)
		}
		return []edit.Change{{Span: edit.Span{From: at, To: at + len(it.New)}, Old: it.New, New: it.Old}}, nil
	}
	root, err := parseJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	parent := root.at(it.Parent)
	if parent == nil || !parent.object && !parent.list {
		return nil, fmt.Errorf("%w: what it stood in is gone", edit.ErrChanged)
	}
	for i := range parent.kids {
		if parent.kids[i].source() == it.Old {
			return nil, nil
		}
	}
	at := parent.from + 1
	add := it.Old
	if len(parent.kids) > 0 {
		add += ","
	}
	return []edit.Change{{Span: edit.Span{From: at, To: at}, New: add}}, nil
}

// cron puts a line back into the crontab.
func (r *restoring) cron(ctx context.Context, it item) error {
	text, err := r.Run(ctx, nil, "crontab", "-l")
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	for i, l := range lines {
		switch strings.TrimRight(l, "\r\n") {
		case it.Old:
			return nil
		case it.New:
			lines[i] = it.Old + "\n"
			_, err = r.Run(ctx, []byte(strings.Join(lines, "")), "crontab", "-")
			return err
		}
	}
	return fmt.Errorf("%w: the remark in its place is gone", edit.ErrChanged)
}
