package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// figure is one thing to measure.
type figure struct {
	name  string
	about string
	run   func(ctx context.Context, b *bench) ([]row, error)
	hours bool // it takes an hour or more, and is measured only if it is named
}

// figures lists them all, in the order in which they are measured.
var figures = []figure{
	{"publish-loop", "publish-loop at the worm's pace, with the real npm", measurePublish, false},
	{"credential-read", "credential read until the alert is visible through the API", measureCredential, false},
	{"attribution", "readers that exit right after the read, attributed to the right package", measureAttribution, false},
	{"execs", "programs that end at once: known command lines, what a start costs, the agent's own processor time", measureExecs, false},
	{"open", "what an open() costs, agent on against off", measureOpen, false},
	{"replaced", "a file that is replaced by rename and opened at once", measureReplaced, false},
	{"install", "npm ci of 410 packages: later edits that are seen, the agent's own processor time", measureInstall, false},
	{"edit", "edit of a manifest until the finding is visible", measureEdit, false},
	{"copy", "cp -a of a node_modules of 40,000 files, agent on against off", measureCopy, false},
	{"dashboard", "the dashboard of an agent that has had 10,000 alerts, in a browser", measureDashboard, false},
	{"notify", "alert until its notification is on a screen; what the tray takes while idle", measureNotify, false},
	{"idle", "30 projects, 300,000 files: start, idle, memory", measureIdle, false},
	{"zoo", "recall: 504 inert worms in variations", measureZoo, true},
	{"clean-day", "twenty working days without a worm, in twenty orders", measureDays, true},
}

func names() (list []string) {
	for _, f := range figures {
		list = append(list, f.name)
	}
	return list
}

// choose returns the figures with these names; if there are none, all but those that take hours.
func choose(only []string) ([]figure, error) {
	var chosen []figure
	if len(only) == 0 {
		for _, f := range figures {
			if !f.hours {
				chosen = append(chosen, f)
			}
		}
		return chosen, nil
	}
	for _, n := range only {
		i := slices.IndexFunc(figures, func(f figure) bool { return f.name == n })
		if i < 0 {
			return nil, fmt.Errorf("%w: no figure is called %q; there are %s", errUsage, n, strings.Join(names(), ", "))
		}
		chosen = append(chosen, figures[i])
	}
	return chosen, nil
}

// row is one line of the table.
type row struct {
	What    string `json:"what"`
	Reach   string `json:"reach,omitempty"`   // what is to be reached; "" for a value that is only told
	Reached string `json:"reached,omitempty"` // what was; "" when it could not be measured
	Met     bool   `json:"met,omitempty"`
	Note    string `json:"note,omitempty"` // the reference from the same run, the spread, or why it was not measured
}

func (r row) verdict() string {
	switch {
	case r.Reached == "":
		return "not measured"
	case r.Reach == "":
		return "for information"
	case r.Met:
		return "met"
	}
	return "not met"
}

// String is the row for a person at a terminal.
func (r row) String() string {
	s := fmt.Sprintf("  %-15s  %s", r.verdict(), r.What)
	if r.Reached != "" {
		s += ": " + r.Reached
	}
	if r.Reach != "" {
		s += ", to reach " + r.Reach
	}
	if r.Note != "" {
		s += "\n                   " + r.Note
	}
	return s
}

// measured is a figure and what came of it.
type measured struct {
	figure figure
	load   string // of the minute before
	rows   []row
}

// summary counts the verdicts and names what was not reached.
func summary(done []measured) string {
	count := map[string]int{}
	var short []string
	for _, m := range done {
		for _, r := range m.rows {
			count[r.verdict()]++
			if v := r.verdict(); v == "not met" || v == "not measured" {
				short = append(short, fmt.Sprintf("  %s: %s: %s: %s", v, m.figure.name, r.What, or(r.Reached, r.Note)))
			}
		}
	}
	s := fmt.Sprintf("%d figures met, %d not met, %d not measured\n", count["met"], count["not met"], count["not measured"])
	for _, line := range short {
		s += line + "\n"
	}
	return s
}
