package exposure_test

import (
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/exposure"
)

// TestDenied: what was denied is told and is not exposed, unless it was read as well.
func TestDenied(t *testing.T) {
	t.Parallel()
	a := theft()
	read := a.Findings[0].Evidence[0]
	read.Protect = wormbell.Denied
	a.Findings = []wormbell.Finding{{Detector: "credential-read", Subject: read.Path, Severity: wormbell.High, Evidence: []wormbell.Event{read}}}
	x := exposure.Of(a)
	if len(x.Files) > 0 || len(x.Denied) != 1 || x.Denied[0].Path != "~/.npmrc" || x.Empty() {
		t.Errorf("files %+v, denied %+v", x.Files, x.Denied)
	}
	text := strings.Join(strings.Fields(exposure.Report(a, x, exposure.Header{})), " ")
	if !strings.Contains(text, "was denied to it: nothing was read") {
		t.Errorf("the report says:\n%s", text)
	}
	late := read
	late.Protect, late.Time = wormbell.Late, after(1)
	a.Findings[0].Evidence = append(a.Findings[0].Evidence, late)
	if x := exposure.Of(a); len(x.Files) != 1 {
		t.Errorf("files %+v", x.Files)
	}
}
