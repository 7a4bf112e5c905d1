package installer

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
)

// maxProgram is more than any of our programs takes, in bytes. All of them are in
// memory at once.
const maxProgram = 128 << 20

// source is the folder that programs are installed from. Each is read once, when
// the plan is made: what is judged and shown is what is put, whatever becomes of
// the files until somebody has agreed. Most often the folder is a person's, and
// every program of theirs can change it.
type source struct {
	dir      string
	programs map[string][]byte // by name, without .exe
	version  string            // "" if the build does not say
	exposed  error             // who else could have changed the programs; nil: root alone
}

// read reads the programs in dir, the tray if it is wanted.
func (m *Machine) read(dir string, withTray bool) (*source, error) {
	s := &source{dir: dir, programs: map[string][]byte{}, exposed: exposed(dir)}
	builds := map[string]*debug.BuildInfo{}
	build := m.Build
	if build == nil {
		build = func(b []byte) (*debug.BuildInfo, error) { return buildinfo.Read(bytes.NewReader(b)) }
	}
	for _, p := range programs {
		if p.name == tray && !withTray {
			continue
		}
		path := filepath.Join(dir, m.programName(p.name))
		b, err := readProgram(path)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", path, err)
		}
		if builds[p.name], err = build(b); err != nil {
			return nil, fmt.Errorf("%q is no program of Wormbell's: %w", path, err)
		}
		s.programs[p.name] = b
		if s.exposed == nil {
			s.exposed = exposedFile(path)
		}
	}
	if err := together(builds); err != nil {
		return nil, advice(fmt.Errorf("the programs in %q do not belong together: %w", dir, err), "take all of them from one release, or build all with 'make build'")
	}
	if v := builds["wormbelld"].Main.Version; v != "(devel)" {
		s.version = v
	}
	return s, nil
}

func readProgram(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxProgram+1))
	if err == nil && len(b) > maxProgram {
		err = fmt.Errorf("it is longer than %d MB", maxProgram>>20)
	}
	return b, err
}

// sameBuild are the settings of a build that all programs of one must have.
var sameBuild = []string{"GOOS", "GOARCH", "vcs.revision", "vcs.modified"}

// together reports, as an error, that programs are not of one build of ours. What
// it reads whoever made them could have written: it finds mistakes, and proves nothing.
func together(builds map[string]*debug.BuildInfo) error {
	first := builds["wormbelld"]
	for _, p := range programs {
		b := builds[p.name]
		if b == nil {
			continue
		}
		if want := first.Main.Path + "/cmd/" + p.name; b.Main.Path != "wormbell" || b.Path != want {
			return fmt.Errorf("what is called %s was built as %q", p.name, b.Path)
		}
		if b.Main.Version != first.Main.Version {
			return fmt.Errorf("wormbelld is of version %q, %s of %q", first.Main.Version, p.name, b.Main.Version)
		}
		if b.GoVersion != first.GoVersion {
			return fmt.Errorf("wormbelld was built with %s, %s with %s", first.GoVersion, p.name, b.GoVersion)
		}
		for _, key := range sameBuild {
			if x, y := setting(first, key), setting(b, key); x != y {
				return fmt.Errorf("of wormbelld %s is %q, of %s it is %q", key, x, p.name, y)
			}
		}
	}
	return nil
}

func setting(b *debug.BuildInfo, key string) string {
	for _, s := range b.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// where says where the programs come from, and what of that is not known. put are
// those that are to be put.
func (s *source) where(put []File) (notes []string) {
	for _, f := range put {
		if f.kind == program {
			notes = append(notes, fmt.Sprintf("%s has the SHA-256 %s.", filepath.Base(f.Path), f.sum()))
		}
	}
	if len(notes) == 0 {
		return nil
	}
	const proves = "Nothing here proves who made them: install.sh checks a release's signature before it unpacks it, and the signed .cdx.json of a release holds these sums."
	if s.exposed != nil {
		return append(notes, fmt.Sprintf("Others than root could have changed the programs in %s before they were read (%v). From now on that makes no difference: what was read is what is put. %s", s.dir, s.exposed, proves))
	}
	return append(notes, proves)
}
