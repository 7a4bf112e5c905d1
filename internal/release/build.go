package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Options say what is made of what.
type Options struct {
	Repo    string // a clone of the project; what is checked out there is built
	Version string // "": the commit's tag, else a snapshot's
	Out     string // is emptied
	Targets []Target
	Keys    Keys
	Base    string // where install.sh takes the files from, if it is not told; "": it has to be told
	// Previous is a folder with packages of earlier versions, which the repositories go on offering; "": none.
	Previous string
	Cache    string // GOCACHE; "": the machine's own
	Log      io.Writer
}

// build is one run: a clone, and what was made from it.
type build struct {
	Options
	version Version
	commit  string    // its id
	time    time.Time // of the commit; everything is as old as that
	work    string    // everything below is removed at the end
	src     string    // the clone
	pages   string    // man pages and completions
	nfpm    string    // the program that writes packages
	signer  *signer   // nil: nothing is signed
}

// Make builds everything of one commit into o.Out.
func Make(ctx context.Context, o Options) error {
	work, err := os.MkdirTemp("", "wormbell-release-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(work)
	b := &build{Options: o, work: work, src: filepath.Join(work, "src"), pages: filepath.Join(work, "pages"), nfpm: filepath.Join(work, "nfpm")}
	if err := os.RemoveAll(o.Out); err != nil {
		return fmt.Errorf("empty %q: %w", o.Out, err)
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return fmt.Errorf("make %q: %w", o.Out, err)
	}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"clone the commit", b.clone},
		{"take the keys", b.takeKeys},
		{"build the programs", b.programs},
		{"write pages and completions", b.makePages},
		{"write packages", b.packages},
		{"write archives", b.archives},
		{"say what is in the programs", b.sboms},
		{"write install.sh", b.installScript},
		{"write the repositories", b.repositories},
		{"sum and sign", b.sums},
	}
	defer func() {
		if b.signer != nil {
			b.signer.close()
		}
	}()
	for _, step := range steps {
		b.say("%s", step.what)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	b.say("%s is in %s", b.version, o.Out)
	return nil
}

func (b *build) say(format string, args ...any) {
	if b.Log != nil {
		fmt.Fprintf(b.Log, format+"\n", args...)
	}
}

// clone makes the folder that everything is built in: the commit and nothing
// else, with the tag that Go is to stamp.
func (b *build) clone(ctx context.Context) error {
	repo, err := filepath.Abs(b.Repo)
	if err != nil {
		return err
	}
	if changed, err := b.output(ctx, repo, "git", "status", "--porcelain"); err != nil {
		return err
	} else if changed != "" {
		b.say("note: what is not committed is not built:\n%s", changed)
	}
	if b.commit, err = b.output(ctx, repo, "git", "rev-parse", "HEAD"); err != nil {
		return err
	}
	stamp, err := b.output(ctx, repo, "git", "show", "-s", "--format=%ct", "HEAD")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("read the time of commit %s: %w", b.commit, err)
	}
	b.time = time.Unix(seconds, 0).UTC()
	if _, err := b.output(ctx, b.work, "git", "clone", "-q", repo, b.src); err != nil {
		return err
	}
	if _, err := b.output(ctx, b.src, "git", "-c", "advice.detachedHead=false", "checkout", "-q", b.commit); err != nil {
		return err
	}
	if b.Version == "" {
		return nil
	}
	v, err := ParseVersion(b.Version)
	if err != nil {
		return err
	}
	// Go stamps the highest tag of the commit: only the asked one may be there.
	tags, err := b.output(ctx, b.src, "git", "tag", "--points-at", "HEAD")
	if err != nil {
		return err
	}
	for _, tag := range strings.Fields(tags) {
		if _, err := b.output(ctx, b.src, "git", "tag", "-d", tag); err != nil {
			return err
		}
	}
	_, err = b.output(ctx, b.src, "git", "tag", v.Tag())
	return err
}

// programs builds for every target, and for this machine, whose programs are
// asked for their options.
func (b *build) programs(ctx context.Context) error {
	host := Target{runtime.GOOS, runtime.GOARCH}
	for _, t := range append([]Target{host}, b.Targets...) {
		dir := b.bin(t)
		if _, err := os.Stat(dir); err == nil {
			continue
		}
		args := []string{"build", "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}
		for _, p := range t.programs() {
			args = append(args, "./cmd/"+p)
		}
		b.say("  %s", t)
		if _, err := b.outputEnv(ctx, b.src, b.goEnv(t), "go", args...); err != nil {
			return err
		}
		for _, p := range t.programs() {
			if err := b.stamped(filepath.Join(dir, t.file(p))); err != nil {
				return err
			}
		}
	}
	_, err := b.outputEnv(ctx, b.src, b.goEnv(host), "go", "build", "-modfile=.ci/tools.mod", "-o", b.nfpm, "github.com/goreleaser/nfpm/v2/cmd/nfpm")
	return err
}

// stamped checks that a program says it is of this version and this commit,
// and takes the version from the first one if none was asked for.
func (b *build) stamped(file string) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the build info of %q: %w", file, err)
	}
	v, err := ParseVersion(info.Main.Version)
	if err != nil {
		return fmt.Errorf("%q: %w", file, err)
	}
	if b.version.full == "" {
		b.version = v
	}
	if b.Version != "" && v.full != strings.TrimPrefix(b.Version, "v") || v != b.version {
		return fmt.Errorf("%q is stamped %s, want %s", file, v, b.version)
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && s.Value == b.commit {
			return nil
		}
	}
	return fmt.Errorf("%q is not stamped with commit %s", file, b.commit)
}

func (b *build) bin(t Target) string { return filepath.Join(b.work, "bin", t.dash()) }

// goEnv is the environment of a build for t: of this machine's settings, those
// that would change a byte are set. The lowest processors that Go knows are
// meant on purpose, as a package must run on all of its architecture.
func (b *build) goEnv(t Target) []string {
	env := []string{"GOOS=" + t.OS, "GOARCH=" + t.Arch, "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=true -mod=readonly",
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOTOOLCHAIN=local"}
	if b.Cache != "" {
		env = append(env, "GOCACHE="+b.Cache)
	}
	return env
}

// outputEnv runs a program as rawOutput does and returns what it wrote, without
// the last line's end.
func (b *build) outputEnv(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	out, err := b.rawOutput(ctx, dir, env, name, args...)
	return strings.TrimRight(string(out), "\n"), err
}

// rawOutput runs a program with env added and returns what it wrote. Its error
// holds what the program said.
func (b *build) rawOutput(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(b.time.Unix(), 10), "TZ=UTC", "LC_ALL=C.UTF-8")
	cmd.Env = append(cmd.Env, env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		text := strings.TrimSpace(said.String() + string(out))
		var exit *exec.ExitError
		if errors.As(err, &exit) && text != "" {
			return nil, fmt.Errorf("run %s %s: %w\n%s", filepath.Base(name), args[0], err, text)
		}
		return nil, fmt.Errorf("run %s: %w", filepath.Base(name), err)
	}
	return out, nil
}

func (b *build) output(ctx context.Context, dir, name string, args ...string) (string, error) {
	return b.outputEnv(ctx, dir, nil, name, args...)
}
