package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// TestDecoysNeedNoAnswer: a thief that has opened decoys alone is contained, and
// nothing is revoked; what else it has read is answered for as ever.
func TestDecoysNeedNoAnswer(t *testing.T) {
	t.Parallel()
	decoy := wormbell.Finding{Detector: "decoy-read", Subject: "~/.npmrc.bak",
		Evidence: []wormbell.Event{{Time: time.Now(), Kind: wormbell.FileRead, Path: "~/.npmrc.bak", Decoy: true}}}
	w := newWorld(t)
	w.alert.Findings = []wormbell.Finding{decoy}
	res, steps, err := w.answer(w.config())
	all := strings.Join(steps, "\n")
	if err != nil || !w.live[oldToken] || !strings.Contains(all, "~/.npmrc.bak is a decoy: there is nothing to revoke.") || !strings.Contains(all, "No token was exposed") || len(res.Left) > 0 || !res.Closed {
		t.Errorf("%+v, %v, %q", res, err, steps)
	}
	if !slices.ContainsFunc(w.log, func(l string) bool { return strings.HasPrefix(l, "freeze") }) {
		t.Errorf("it was not contained: %q", w.log)
	}
	w = newWorld(t)
	w.alert.Findings = append(w.alert.Findings, decoy)
	if _, _, err := w.answer(w.config()); err != nil || w.live[oldToken] {
		t.Errorf("the token that was read, too, lives: %v, %q", err, w.log)
	}
}
