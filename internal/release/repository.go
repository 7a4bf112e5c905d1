package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// exampleBase is in the settings for apt and dnf while nobody said where the
// files will be.
const exampleBase = "https://packages.example.com/wormbell"

// suite is what apt calls our line of versions.
const suite = "stable"

// repositories writes the static files of an apt and a dnf repository below
// repo/, to be put on any web server, and what a machine needs to use them.
//
// The indexes are made by the distributions' own tools. The file that is signed
// for apt, Release, we write: its time must be the commit's.
func (b *build) repositories(ctx context.Context) error {
	var linux []Target
	for _, t := range b.Targets {
		if t.OS == "linux" {
			linux = append(linux, t)
		}
	}
	if len(linux) == 0 {
		return nil
	}
	for _, tool := range []string{"apt-ftparchive", "createrepo_c"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w (Debian has it in %s)", err, map[string]string{"apt-ftparchive": "apt-utils", "createrepo_c": "createrepo-c"}[tool])
		}
	}
	repo := filepath.Join(abs(b.Out), "repo")
	if err := b.aptRepository(ctx, filepath.Join(repo, "apt"), linux); err != nil {
		return fmt.Errorf("for apt: %w", err)
	}
	for _, t := range linux {
		if err := b.rpmRepository(ctx, filepath.Join(repo, "rpm", machine(t.Arch)), t); err != nil {
			return fmt.Errorf("for dnf: %w", err)
		}
	}
	return b.repositorySettings(ctx, repo)
}

// collect copies this version's packages with that end, and earlier ones, and
// makes them as old as the commit.
func (b *build) collect(to, suffix string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make %q: %w", to, err)
	}
	n := 0
	for _, dir := range []string{b.Previous, b.Out} { // this version wins
		if dir == "" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if err != nil {
			return err
		}
		for _, file := range files {
			target := filepath.Join(to, filepath.Base(file))
			if err := copyFile(file, target, b.time); err != nil {
				return err
			}
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("there is no package *%s", suffix)
	}
	return nil
}

func copyFile(from, to string, at time.Time) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy a package: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("copy a package: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(fmt.Errorf("copy %q: %w", from, err), out.Close())
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("copy %q: %w", from, err)
	}
	return os.Chtimes(to, at, at)
}

func (b *build) aptRepository(ctx context.Context, dir string, linux []Target) error {
	var architectures []string
	for _, t := range linux {
		architectures = append(architectures, t.Arch)
		if err := b.collect(filepath.Join(dir, "pool"), "_"+t.Arch+".deb"); err != nil {
			return err
		}
	}
	for _, a := range architectures {
		index, err := b.rawOutput(ctx, dir, nil, "apt-ftparchive", "--arch", a, "packages", "pool")
		if err != nil {
			return err
		}
		folder := filepath.Join(dir, "dists", suite, "main", "binary-"+a)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("make %q: %w", folder, err)
		}
		z, err := compress(index)
		if err != nil {
			return err
		}
		for name, data := range map[string][]byte{"Packages": index, "Packages.gz": z} {
			if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
				return fmt.Errorf("write the index: %w", err)
			}
		}
	}
	top := filepath.Join(dir, "dists", suite)
	text, err := releaseFile(top, b.time, architectures)
	if err != nil {
		return err
	}
	file := filepath.Join(top, "Release")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write Release: %w", err)
	}
	if err := b.signer.pgp(ctx, file, filepath.Join(top, "InRelease"), "around"); err != nil {
		return err
	}
	return b.signer.pgp(ctx, file, file+".gpg", "armoured")
}

// releaseFile lists the indexes below dir with their sums, which is what apt
// believes after it checked the signature
// (https://wiki.debian.org/DebianRepository/Format).
func releaseFile(dir string, at time.Time, architectures []string) ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "Origin: Wormbell\nLabel: Wormbell\nSuite: %s\nCodename: %s\nDate: %s\nArchitectures: %s\nComponents: main\nDescription: Wormbell, the alarm bell for npm worms\nSHA256:\n",
		suite, suite, at.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"), strings.Join(architectures, " "))
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		lines = append(lines, fmt.Sprintf(" %s %d %s\n", hex.EncodeToString(sum[:]), len(data), filepath.ToSlash(name)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sum the indexes: %w", err)
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i][66:] < lines[j][66:] })
	text.WriteString(strings.Join(lines, ""))
	return text.Bytes(), nil
}

func (b *build) rpmRepository(ctx context.Context, dir string, t Target) error {
	if err := b.collect(dir, "."+machine(t.Arch)+".rpm"); err != nil {
		return err
	}
	// No database files: only old yum reads them, and they would differ with each build.
	if _, err := b.output(ctx, dir, "createrepo_c", "--quiet", "--no-database", "--workers=1", "--general-compress-type=gz",
		"--revision="+strconv.FormatInt(b.time.Unix(), 10), "--set-timestamp-to-revision", "."); err != nil {
		return err
	}
	file := filepath.Join(dir, "repodata", "repomd.xml")
	return b.signer.pgp(ctx, file, file+".asc", "armoured")
}

// repositorySettings writes what a machine needs: the key, and a file for apt
// and one for dnf that accept that key for this repository alone.
func (b *build) repositorySettings(ctx context.Context, repo string) error {
	base := b.Base
	if base == "" {
		base = exampleBase
	}
	signedBy, check := "Signed-By: /usr/share/keyrings/wormbell.gpg\n", "1"
	if b.signer.home == "" {
		signedBy, check = "# UNSIGNED, for a test: apt refuses it unless told.\n", "0"
	} else {
		armoured, err := b.signer.gpg(ctx, "--armor", "--export")
		if err != nil {
			return err
		}
		for name, key := range map[string][]byte{"wormbell.gpg": b.signer.pgpKey, "wormbell.asc": []byte(armoured)} {
			if err := os.WriteFile(filepath.Join(repo, name), key, 0o644); err != nil {
				return fmt.Errorf("write the public key: %w", err)
			}
		}
	}
	for name, text := range map[string]string{
		"wormbell.sources": "Types: deb\nURIs: " + base + "/repo/apt\nSuites: " + suite + "\nComponents: main\n" + signedBy,
		"wormbell.repo": "[wormbell]\nname=Wormbell\nbaseurl=" + base + "/repo/rpm/$basearch\nenabled=1\ngpgcheck=" + check +
			"\nrepo_gpgcheck=" + check + "\ngpgkey=" + base + "/repo/wormbell.asc\n",
	} {
		if err := os.WriteFile(filepath.Join(repo, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
