package main

import (
	"fmt"
	"slices"
	"strings"
)

// Target is a system that programs are built for, in Go's words.
type Target struct{ OS, Arch string }

// String returns the target as Go writes it: linux/amd64.
func (t Target) String() string { return t.OS + "/" + t.Arch }

func (t Target) dash() string { return t.OS + "-" + t.Arch }

// Targets are all that a release is built for.
var targets = []Target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func parseTargets(s string) ([]Target, error) {
	if s == "" {
		return slices.Clone(targets), nil
	}
	var some []Target
	for _, name := range strings.Split(s, ",") {
		i := slices.IndexFunc(targets, func(t Target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no target %q", name)
		}
		some = append(some, targets[i])
	}
	return some, nil
}

// programs are what is built, in the order of the packages.
func (t Target) programs() []string {
	all := []string{"wormbell", "wormbelld"}
	if t.OS != "darwin" { // there the icon needs the system's own compiler and headers: built here, it could only say so
		all = append(all, "wormbell-tray")
	}
	return all
}

// file returns the name of a program's file.
func (t Target) file(program string) string {
	if t.OS == "windows" {
		return program + ".exe"
	}
	return program
}
