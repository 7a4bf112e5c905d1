package main

import (
	"fmt"
	"regexp"
	"strings"
)

// Version is a version as Go stamps it, without the v: a release, a
// pre-release, or a build of a commit that has no tag.
type Version struct {
	core   string // 1.2.3
	stage  string // "alpha", "beta" or "rc"; "" in a release
	number string // the stage's
	commit string // of a commit without a tag: its time as 20060102150405, and the start of its id
	id     string
	full   string
}

// A leading zero is refused everywhere, as semantic versioning does.
var (
	versionForm = regexp.MustCompile(`^v?((?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))(?:-(alpha|beta|rc)\.(0|[1-9]\d*))?$`)
	pseudoForm  = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)-(?:[0-9A-Za-z.]*?0\.)?(\d{14})-([0-9a-f]{12})$`)
)

// ParseVersion reads a version. What pre-releases are called is limited to what
// all four package formats can sort.
func ParseVersion(s string) (Version, error) {
	full := strings.TrimPrefix(s, "v")
	if m := versionForm.FindStringSubmatch(s); m != nil {
		return Version{core: m[1], stage: m[2], number: m[3], full: full}, nil
	}
	if m := pseudoForm.FindStringSubmatch(s); m != nil {
		return Version{core: m[1], commit: m[2], id: m[3], full: full}, nil
	}
	return Version{}, fmt.Errorf("version %q is not like 1.2.3 or 1.2.3-rc.1 (alpha, beta or rc)", s)
}

// String returns the version without a v: 1.2.3-rc.1.
func (v Version) String() string { return v.full }

// Tag returns the version as a tag of git: v1.2.3-rc.1.
func (v Version) Tag() string { return "v" + v.full }

// Snapshot reports whether it is of a commit without a tag.
func (v Version) Snapshot() bool { return v.commit != "" }

// The formats that a package can have.
const (
	deb  = "deb"
	rpm  = "rpm"
	apk  = "apk"
	arch = "archlinux"
)

// In returns the version as a package of format has it, without the number of
// the package itself. In all of them a commit without a tag sorts below
// alpha.0 of the same version, alpha below beta below rc below the release.
func (v Version) In(format string) string {
	switch {
	case v.stage == "" && v.commit == "":
		return v.core
	case format == apk && v.commit != "": // _git is the only suffix that may follow another
		return v.core + "_alpha0_git" + v.commit
	case format == apk:
		return v.core + "_" + v.stage + v.number
	case format == arch && v.commit != "": // letters without a separator sort below nothing (vercmp(8))
		return v.core + "a" + v.commit
	case format == arch:
		return v.core + v.stage + v.number
	case v.commit != "":
		return v.core + "~a" + v.commit + "." + v.id
	}
	return v.core + "~" + v.stage + "." + v.number
}
