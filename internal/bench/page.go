package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// machine is where the figures were taken, in words; nothing of it names this
// machine or its user.
type machine struct {
	system, kernel, arch string
	cores                int
	memory               string
	fileSystem           string // of the scratch home
	goVersion            string
	npm                  string
}

// thisMachine describes where the scratch files are in dir.
func thisMachine(ctx context.Context, dir string) machine {
	m := machine{system: runtime.GOOS, arch: runtime.GOARCH, cores: runtime.NumCPU(), goVersion: runtime.Version(),
		fileSystem: fileSystem(dir), kernel: "of unknown version", memory: "unknown memory"}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.kernel, _, _ = strings.Cut(strings.TrimSpace(string(b)), "-") // what follows names the builder
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if kb := field(string(b), "MemTotal:"); kb > 0 {
			m.memory = fmt.Sprintf("%.0f GiB", float64(kb)/(1<<20))
		}
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
	return fmt.Sprintf("%d cores (%s), %s of memory, %s %s, %s; built with %s; %s",
		m.cores, m.arch, m.memory, m.system, m.kernel, m.fileSystem, m.goVersion, m.npm)
}

// load is the machine's average of the minute before; "" if it cannot be told.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg") // there is none on other systems
	l, _, _ := strings.Cut(string(b), " ")
	return l
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
func page(r results) string {
	var s strings.Builder
	on := "" // the machine of the figures that were taken last
	for last, i := "", 0; i < len(r.Results); i++ {
		if d := r.Results[i]; d.Taken >= last {
			last, on = d.Taken, d.Machine
		}
	}
	fmt.Fprintf(&s, `<!-- %s -->

# Benchmarks

Machine: %s.

Everything is measured from outside, with the real programs: wormbelld as root on a scratch home, the real npm against a
registry on loopback, and what the local API shows. The machine did other work at the same time, so ratios, differences
and processor seconds count; "on" and "off" alternate within one run. A figure that was not reached says so. Each was
taken on the day and under the load that is said below.

| figure | to reach | reached | |
|---|---|---|---|
`, resultsNote, on)
	for _, d := range r.Results {
		for _, r := range d.Rows {
			fmt.Fprintf(&s, "| %s | %s | %s | %s |\n", cell(r.What), cell(or(r.Reach, "–")), cell(or(r.Reached, "–")), r.verdict())
		}
	}
	s.WriteString("\n## How each was taken\n\nAll but the zoo and the clean day: `make bench`. One of them: `make build`, then as below; with `-update`, its rows on this page are\nwritten anew.\n")
	for _, d := range r.Results {
		i := slices.IndexFunc(figures, func(f figure) bool { return f.name == d.Figure })
		if i < 0 {
			continue
		}
		how := ""
		if d.Quick {
			how = " with `-quick`, of fewer rounds,"
		}
		if d.Machine != on {
			how += " on another machine (" + d.Machine + ")"
		}
		fmt.Fprintf(&s, "\n### %s\n\n`go run ./internal/bench -only %s`,%s on %s, load %s before the start\n\n", figures[i].about, d.Figure, how, d.Taken, or(d.Load, "unknown"))
		for _, r := range d.Rows {
			if r.Note != "" {
				fmt.Fprintf(&s, "- %s: %s\n", r.What, r.Note)
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
