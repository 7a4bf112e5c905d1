package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// ErrNoWay is wrapped by errors that say that there is no way to hand a token to
// a program.
var ErrNoWay = errors.New("there is no way to hand it a token")

// Userconfig returns the file where npm keeps a user's settings, with ~.
func (v *Vault) Userconfig(environ []string) string {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		// npm reads its variables in any case.
		if strings.EqualFold(name, userconfig) && filepath.IsAbs(value) && !strings.HasPrefix(value, "/dev/") && !strings.HasPrefix(value, "/proc/") {
			return v.Tilde(value)
		}
	}
	return "~/.npmrc"
}

const userconfig = "npm_config_userconfig"

// Config returns what npm is to read instead of file: the tokens that were moved
// from it, then the file. A token that stands in the file counts more than one
// that was moved. n is how many tokens are in it.
func (v *Vault) Config(ctx context.Context, file string) (text secret.Value, n int, err error) {
	data, err := edit.Read(v.Abs(file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return text, 0, err
	}
	items, err := v.Items()
	if err != nil {
		return text, 0, err
	}
	lines := ""
	for _, item := range items {
		if _, there := standing(data, item.Key); item.File != file || there {
			continue
		}
		value, err := v.Keys.Get(ctx, item.Service, item.Account)
		if err != nil {
			return text, 0, err
		}
		lines += line(item.Key, value)
		n++
	}
	// Before the file's, which may end within a section.
	return secret.Of(lines + string(data[start(data):])), n, nil
}

// Token returns the token for a registry: the one moved token whose key is key,
// or where key is "", the only one there is, or that of the registry that file
// names. It is for programs that take one token and no file.
func (v *Vault) Token(ctx context.Context, file, key string) (secret.Value, error) {
	items, err := v.Items()
	if err != nil {
		return secret.Value{}, err
	}
	items = slices.DeleteFunc(items, func(i Item) bool {
		return i.File != file || !strings.HasSuffix(i.Key, "_authToken") || key != "" && i.Key != key
	})
	if len(items) > 1 {
		data, err := edit.Read(v.Abs(file))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return secret.Value{}, err
		}
		usual := ""
		for _, e := range edit.INI(data) {
			if len(e.Path) == 1 && e.Path[0] == "registry" {
				usual = e.Value
			}
		}
		_, usual, _ = strings.Cut(usual, ":")
		items = slices.DeleteFunc(items, func(i Item) bool { return i.Key != strings.TrimRight(usual, "/")+"/:_authToken" })
	}
	if len(items) != 1 {
		return secret.Value{}, fmt.Errorf("%w: it takes one, and which of the vault's it should be is not clear", ErrNoWay)
	}
	return v.Keys.Get(ctx, items[0].Service, items[0].Account)
}

// descriptor is the file descriptor on which a package manager gets its settings.
// At most 15, for libuv takes those up to there from what node starts; not a low
// one, which make's job server or node's own channel would use.
const descriptor = 15

// Pipe hands text to one process, once: on a pipe that it inherits, and that
// neither its environment nor its arguments hold.
//
// The path by which the process is told of it is a symbolic link in a folder of
// ours. Once the text was read it leads to the file that the process would have
// read without us, so that what the process starts finds its settings there, but
// no token.
type Pipe struct {
	Path  string     // for the process: what it is to read
	Files []*os.File // what it inherits, for exec.Cmd.ExtraFiles
	dir   string
	real  string
	read  *os.File
	write *os.File
	text  secret.Value
}

// NewPipe prepares a pipe that holds text, for what would have read the file real.
func NewPipe(text secret.Value, real string) (*Pipe, error) {
	p := &Pipe{real: real, text: text}
	if err := supported(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(runtimeDir(), "wormbell-exec-") // mode 0700
	if err != nil {
		return nil, err
	}
	p.dir = dir
	p.Path = filepath.Join(dir, "npmrc")
	if err := os.Symlink(fmt.Sprintf("/dev/fd/%d", descriptor), p.Path); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if p.read, p.write, err = os.Pipe(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	p.Files = make([]*os.File, descriptor-3+1)
	p.Files[descriptor-3] = p.read
	return p, nil
}

// runtimeDir is the user's folder that is gone when the user is, "" if there is none.
func runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// Serve writes the text, and when it was read, changes where Path leads. It
// returns then, or when ctx ends because the process has.
func (p *Pipe) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.write.Close() })
	defer stop()
	_, err := io.WriteString(p.write, p.text.Reveal())
	p.write.Close()
	if err == nil {
		err = drained(ctx, p.read)
	}
	p.read.Close()
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	next := p.Path + ".next"
	if err := os.Symlink(p.real, next); err != nil {
		return err
	}
	return os.Rename(next, p.Path)
}

// Close removes what the pipe has left on the disk, which held no secret.
func (p *Pipe) Close() error {
	p.read.Close()
	p.write.Close()
	return os.RemoveAll(p.dir)
}

// Env returns environ for the process: with p as its user's settings, and path as
// its PATH.
func (p *Pipe) Env(environ []string, path string) []string {
	environ = slices.DeleteFunc(WithPath(environ, path), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return strings.EqualFold(name, userconfig)
	})
	return append(environ, userconfig+"="+p.Path)
}

// WithPath returns environ with path as its PATH.
func WithPath(environ []string, path string) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(e string) bool { return strings.HasPrefix(e, "PATH=") })
	return append(environ, "PATH="+path)
}
