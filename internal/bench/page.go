package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is where the figures were taken, in words; nothing of it names this
// machine or its user.
type machine struct {
	system, kernel, arch string
	cores                int
	memory               string
	fileSystem           string // of the scratch home
	load                 string // average of the minute before
	goVersion            string
	npm                  string
}

// thisMachine describes where the scratch files are in dir.
func thisMachine(ctx context.Context, dir string) machine {
	m := machine{system: runtime.GOOS, arch: runtime.GOARCH, cores: runtime.NumCPU(), goVersion: runtime.Version(),
		fileSystem: fileSystem(dir), kernel: "of unknown version", memory: "unknown memory", load: "unknown"}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel, _, _ = strings.Cut(strings.TrimSpace(string(b)), "-") // what follows names the builder
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if kb := field(string(b), "MemTotal:"); kb > 0 {
			m.memory = fmt.Sprintf("%.0f GiB", float64(kb)/(1<<20))
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(b), " ")
	}
	node, _ := exec.CommandContext(ctx, "node", "--version").Output() // empty when there is none, and said so
	npm, _ := exec.CommandContext(ctx, "npm", "--version").Output()
	m.npm = "no npm"
	if len(npm) > 0 {
		m.npm = fmt.Sprintf("npm %s on Node %s", strings.TrimSpace(string(npm)), strings.TrimPrefix(strings.TrimSpace(string(node)), "v"))
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores (%s), %s of memory, %s %s, %s; built with %s; %s; load %s before the start",
		m.cores, m.arch, m.memory, m.system, m.kernel, m.fileSystem, m.goVersion, m.npm, m.load)
}

// field returns the number behind a key of a /proc file, 0 if it is not there.
func field(text, key string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, err := strconv.ParseInt(f[0], 10, 64)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}

// page is docs/benchmarks.md.
func page(when time.Time, m machine, quick bool, done []measured) string {
	var s strings.Builder
	how := "`make bench`"
	if quick {
		how = "`go run ./internal/bench -quick`, with fewer rounds than `make bench`"
	}
	fmt.Fprintf(&s, `<!-- Written by go run ./internal/bench -update; do not edit. -->

# Benchmarks

Measured on %s with %s.

Machine: %s.

Everything is measured from outside, with the real programs: wormbelld as root on a scratch home, the real npm against a
registry on loopback, and what the local API shows. The machine did other work at the same time, so ratios, differences
and processor seconds count; "on" and "off" alternate within one run. A figure that was not reached says so.

| figure | to reach | reached | |
|---|---|---|---|
`, when.UTC().Format("2006-01-02"), how, m)
	for _, d := range done {
		for _, r := range d.rows {
			fmt.Fprintf(&s, "| %s | %s | %s | %s |\n", cell(r.what), cell(or(r.reach, "–")), cell(or(r.reached, "–")), r.verdict())
		}
	}
	s.WriteString("\n## How each was taken\n\nAll of them: `make bench`. One of them: `make build`, then as below.\n")
	for _, d := range done {
		fmt.Fprintf(&s, "\n### %s\n\n`go run ./internal/bench -only %s`\n\n", d.figure.about, d.figure.name)
		for _, r := range d.rows {
			if r.note != "" {
				fmt.Fprintf(&s, "- %s: %s\n", r.what, r.note)
			}
		}
	}
	return s.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
