package exposure_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/internal/exposure"
)

// TestDecoys: a decoy that was read is told as one, and is no exposed credential,
// also where one of a store could lie.
func TestDecoys(t *testing.T) {
	t.Parallel()
	a := theft()
	read := a.Findings[0].Evidence[0]
	read.Decoy = true
	for i, path := range []string{"~/.npmrc.bak", "~/work/.env"} {
		read.Path, read.Time = path, after(time.Duration(i)*time.Second)
		a.Findings = append(a.Findings, wormbell.Finding{Detector: "decoy-read", Subject: path, Severity: wormbell.Critical, Evidence: []wormbell.Event{read}})
	}
	before, x := exposure.Of(theft()), exposure.Of(a)
	if len(x.Files) != len(before.Files) || len(x.Decoys) != 2 || x.Decoys[0].Path != "~/.npmrc.bak" || x.Decoys[1].Store != wormbell.DecoyStore {
		t.Errorf("files %+v, decoys %+v", x.Files, x.Decoys)
	}
	text := strings.Join(strings.Fields(exposure.Report(a, x, exposure.Header{})), " ")
	if !strings.Contains(text, "~/.npmrc.bak, read 2026-03-04 12:00:00 UTC by collect.js (pid 4240), is a decoy") {
		t.Errorf("the report says:\n%s", text)
	}
	if c := x.Commands(); !slices.Equal(c, before.Commands()) {
		t.Errorf("commands %+v", c)
	}
	if b, err := json.Marshal(before); err != nil || !strings.Contains(string(b), `"decoys":[]`) {
		t.Errorf("%v\n%s", err, b)
	}
}
