package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// release is what the tests look into: two versions of this work tree, made
// with throw-away keys, and the first one again without keys.
type made struct {
	dir    string            // all of it
	repo   string            // the work tree as a repository with one commit
	keys   Keys              // throw-away ones
	out    map[string]string // by version: the output folder
	again  string            // the first version, without keys, from another folder
	failed error
}

const (
	older = "1.0.0-rc.1"
	newer = "1.1.0"
)

// theRelease makes the releases once, for whichever test asks first.
var theRelease = sync.OnceValue(func() *made {
	m := &made{out: map[string]string{}}
	m.failed = m.make()
	return m
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir := os.Getenv(madeFolder); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// madeFolder is the variable that tells TestMain what to remove.
const madeFolder = "WORMBELL_TEST_RELEASE"

func releases(t *testing.T) *made {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a minute: it makes releases")
	}
	for _, tool := range []string{"git", "ssh-keygen", "gpg", "openssl", "apt-ftparchive", "createrepo_c"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s, which is not installed", tool)
		}
	}
	m := theRelease()
	if m.failed != nil {
		t.Fatal(m.failed)
	}
	return m
}

func (m *made) make() error {
	var err error
	if m.dir, err = os.MkdirTemp("", "wormbell-release-test-"); err != nil {
		return err
	}
	os.Setenv(madeFolder, m.dir)
	if err := os.Chmod(m.dir, 0o755); err != nil { // apt reads as a user of its own
		return err
	}
	m.repo = filepath.Join(m.dir, "repo")
	// The work tree, with what is not committed yet: a test is to see what is being worked on.
	if err := shell("", `
		set -e
		mkdir -p "$1/repo" "$1/keys"
		cd "$(git rev-parse --show-toplevel)"
		git ls-files -z -co --exclude-standard | while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
			tar -c --null -T - | tar -x -C "$1/repo"
		cd "$1/repo"
		git init -q .
		git config user.name test; git config user.email test@example.com
		git add -A -f
		GIT_AUTHOR_DATE='2026-01-02T03:04:05Z' GIT_COMMITTER_DATE='2026-01-02T03:04:05Z' git commit -q -m test
		cd "$1/keys"
		ssh-keygen -q -t ed25519 -N '' -f ssh
		openssl genrsa -out apk.pem 2048 2>/dev/null
		openssl rsa -in apk.pem -pubout -out apk.pub 2>/dev/null
		export GNUPGHOME="$1/keys/g"
		mkdir -m 700 "$GNUPGHOME"
		gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key 'Test <test@example.com>' rsa2048 sign never
		gpg --batch --quiet --armor --export-secret-keys >pgp.asc
		gpgconf --kill all
	`, m.dir); err != nil {
		return err
	}
	m.keys = Keys{SSH: filepath.Join(m.dir, "keys/ssh"), PGP: filepath.Join(m.dir, "keys/pgp.asc"), APK: filepath.Join(m.dir, "keys/apk.pem")}
	amd64 := []Target{{"linux", "amd64"}}
	if err := m.release(older, m.keys, "", filepath.Join(m.dir, older), amd64); err != nil {
		return err
	}
	if err := m.release(newer, m.keys, filepath.Join(m.dir, older), filepath.Join(m.dir, newer), amd64); err != nil {
		return err
	}
	m.out[older], m.out[newer] = filepath.Join(m.dir, older), filepath.Join(m.dir, newer)
	m.again = filepath.Join(m.dir, "again")
	return m.release(older, Keys{}, "", m.again, amd64)
}

func (m *made) release(version string, keys Keys, previous, out string, targets []Target) error {
	var log bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	err := Make(ctx, Options{Repo: m.repo, Version: version, Out: out, Targets: targets, Keys: keys, Previous: previous, Log: &log})
	if err != nil {
		return fmt.Errorf("make %s: %w\n%s", version, err, log.String())
	}
	return nil
}

// shell runs a script of a test with bash; its error holds what was said.
func shell(dir, script string, args ...string) error {
	out, err := shellOutput(dir, script, args...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func shellOutput(dir, script string, args ...string) (string, error) {
	cmd := exec.Command("bash", append([]string{"-c", script, "test"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// jail is this machine's file system with everything that is written kept
// aside: packages are installed in it by the machine's own tools, for real, and
// the machine is as it was. Its /run, /tmp and /proc are its own.
type jail struct {
	t   *testing.T
	dir string
}

func newJail(t *testing.T) *jail {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it mounts a file system over this machine's")
	}
	j := &jail{t, t.TempDir()}
	if out, err := j.try("true"); err != nil {
		t.Skipf("needs root that may mount an overlay and change its root folder: %v %s", err, out)
	}
	return j
}

// try runs a script in the jail. $1… are args; the folder share is at /share.
func (j *jail) try(script string, args ...string) (string, error) {
	return shellOutput("", `
		dir=$1 script=$2 share=$3; shift 3
		mkdir -p "$dir"/{upper,work,root}
		exec unshare -m -- bash -c '
			dir=$1 script=$2 share=$3; shift 3
			set -e
			mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
			cd "$dir/root"
			mkdir -p share proc run tmp dev
			mount -t tmpfs tmpfs run; mount -t tmpfs tmpfs tmp; mount -t proc proc proc
			mount --rbind /dev dev
			[ -z "$share" ] || mount --bind "$share" share
			exec chroot . /bin/sh -c "$script" jail "$@"' bash "$dir" "$script" "$share" "$@"`,
		append([]string{j.dir, script, os.Getenv(madeFolder)}, args...)...)
}

// run is try where nothing may go wrong.
func (j *jail) run(script string, args ...string) string {
	j.t.Helper()
	out, err := j.try(script, args...)
	if err != nil {
		j.t.Fatalf("in the jail: %v\n%s", err, out)
	}
	return out
}

// tree lists what lies in the jail outside of what package managers keep for
// themselves, with types, modes, owners and links.
func (j *jail) tree() string {
	j.t.Helper()
	return j.run(`cd / && find etc usr/bin usr/lib/systemd usr/share/doc usr/share/man usr/share/applications usr/share/zsh usr/share/fish \
			usr/share/bash-completion usr/share/lintian usr/share/licenses usr/local var/lib/systemd var/lib/wormbell srv opt -xdev \
			! -name '*.cache' -printf '%p %y %m %U %G %l\n' 2>/dev/null | sort`)
}

func lines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }
