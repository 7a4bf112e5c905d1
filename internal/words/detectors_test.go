package words_test

import (
	"testing"

	"wormbell/agent/detect"
)

// TestDetectors: what each detector looks for is said in both languages, in
// English as the detector itself says it.
func TestDetectors(t *testing.T) {
	for _, d := range detect.All {
		en, ok := english.Detector(d.ID)
		if ja, _ := japanese.Detector(d.ID); !ok || en != d.Title || ja == en {
			t.Errorf("%s: %q and %q, want %q", d.ID, en, ja, d.Title)
		}
	}
	if _, ok := english.Detector("of-tomorrow"); ok {
		t.Error("a detector is known that is not there")
	}
}
