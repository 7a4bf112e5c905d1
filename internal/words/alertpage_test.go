package words

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"wormbell"
)

// TestHalt: what became of an alert's processes, by what was done about them.
func TestHalt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		did  []wormbell.Action
		want Halt
	}{
		"nothing":                    {nil, HaltNot},
		"frozen":                     {[]wormbell.Action{{What: "freeze", Done: 2}}, HaltFrozen},
		"before there were counts":   {[]wormbell.Action{{What: "freeze", Outcome: "stopped 2 processes"}}, HaltFrozen},
		"in vain, without counts":    {[]wormbell.Action{{What: "freeze", Outcome: "no process was stopped: none of the tree is running"}}, HaltEnded},
		"in vain":                    {[]wormbell.Action{{What: "freeze-none"}}, HaltEnded},
		"not to be stopped":          {[]wormbell.Action{{What: "freeze-none", Left: 2}}, HaltNot},
		"some of it":                 {[]wormbell.Action{{What: "freeze", Done: 1, Left: 2}}, HaltPart},
		"the rest at the second try": {[]wormbell.Action{{What: "freeze", Done: 1, Left: 2}, {What: "freeze", Done: 3}}, HaltFrozen},
		"let go on":                  {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 2}}, HaltNot},
		"let go on in part":          {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 1, Left: 1}}, HaltFrozen},
		"let go on what could be":    {[]wormbell.Action{{What: "freeze", Done: 2, Left: 1}, {What: "resume", Done: 2, Left: 1}}, HaltNot},
		"let go on by another":       {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Outcome: "no process was continued: none of the tree was stopped"}}, HaltNot},
		"not to be let go on":        {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Left: 2}}, HaltFrozen},
		"ended meanwhile":            {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Outcome: "no process was continued: none of the tree is running"}}, HaltEnded},
		"ended":                      {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "kill", Done: 2}}, HaltEnded},
		"ended, without counts":      {[]wormbell.Action{{What: "freeze", Outcome: "stopped x"}, {What: "kill", Outcome: "ended x"}}, HaltEnded},
		"not to be ended":            {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "kill", Left: 2}}, HaltFrozen},
		"frozen again":               {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "resume", Done: 2}, {What: "close"}, {What: "freeze", Done: 1}, {What: "note"}}, HaltFrozen},
		"frozen, and gone afterward": {[]wormbell.Action{{What: "freeze", Done: 2}, {What: "freeze-none"}}, HaltEnded},
	} {
		if got := HaltOf(wormbell.Alert{Actions: tt.did}); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	later := wormbell.Alert{Last: at.Add(time.Second), Actions: []wormbell.Action{{Time: at, What: "freeze", Done: 2}}}
	if got := HaltOf(later); got != HaltPart {
		t.Errorf("a finding of after the freeze: %d", got)
	}
}

// TestNotResumed: what was let go on by somebody else has not ended.
func TestNotResumed(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[string]string{
		"no process was continued: none of the tree was stopped": "Nothing was let go on: it runs already.",
		"no process was continued: all of the tree has ended":    "Nothing was let go on: it has already ended.",
		"no process was continued: none of the tree is running":  "Nothing was let go on: it has already ended.",
	} {
		if got := In(language.English).Sentence(wormbell.Action{What: "resume", Outcome: outcome}); got != want {
			t.Errorf("%s: %q, want %q", outcome, got, want)
		}
	}
	runs := wormbell.Action{What: "resume", Outcome: "no process was continued: none of the tree was stopped"}
	if got, want := In(language.Japanese).Sentence(runs), "再開したプロセスはありません：すでに動いています。"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNext: what is frozen is not to be frozen, whatever rang.
func TestNext(t *testing.T) {
	t.Parallel()
	for detector, key := range nextOf {
		for tag, word := range map[language.Tag]string{language.English: "reeze", language.Japanese: "今すぐ一時停止"} {
			a := wormbell.Alert{State: wormbell.Open, Severity: wormbell.High, Findings: []wormbell.Finding{{Detector: detector, Severity: wormbell.High}},
				Actions: []wormbell.Action{{What: "freeze", Done: 1}}}
			got := In(tag).Next(a)
			if first := In(tag).Say(PageNextFrozen); !strings.HasPrefix(got, first) || strings.Contains(got, word) {
				t.Errorf("%s: %q", detector, got)
			}
			if rest := restOf[key]; rest == "" {
				t.Errorf("%s: nothing is said besides", detector)
			}
			a.Actions = nil
			if got := In(tag).Next(a); got != In(tag).Alert(a).Next {
				t.Errorf("%s: what runs: %q", detector, got)
			}
			a.State = wormbell.Closed
			if got := In(tag).Next(a); got != "" {
				t.Errorf("%s: closed: %q", detector, got)
			}
		}
	}
}

// TestDemonstration: of a demonstration nothing is said to be stolen, whatever
// rang, and that it is one comes first.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	for detector := range nextOf {
		for tag, words := range map[language.Tag][]string{language.English: {"This is a demonstration", "stolen", "reeze it", "revoke"}, language.Japanese: {"これはデモです", "盗まれた", "今すぐ", "失効"}} {
			a := wormbell.Alert{Demo: true, State: wormbell.Open, Severity: wormbell.Critical, Findings: []wormbell.Finding{{Detector: detector, Severity: wormbell.Critical}, {Detector: publishLoop}, {Detector: credentialRead}}}
			for _, did := range [][]wormbell.Action{nil, {{What: "freeze", Done: 1}}, {{What: "freeze-none"}}} {
				a.Actions = did
				for _, got := range []string{In(tag).Alert(a).Next, In(tag).Next(a)} {
					if !strings.HasPrefix(got, words[0]) || slices.ContainsFunc(words[1:], func(bad string) bool { return strings.Contains(got, bad) }) {
						t.Errorf("%s, after %v: %q", detector, did, got)
					}
				}
			}
			a.Actions = []wormbell.Action{{What: "freeze", Done: 1}}
			if got := In(tag).Next(a); !strings.HasSuffix(got, In(tag).Say(PageNextClosed)) {
				t.Errorf("%s: that it is frozen is not said: %q", detector, got)
			}
		}
	}
}
