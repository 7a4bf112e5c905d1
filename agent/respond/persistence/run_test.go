package persistence

import (
	"io"
	"testing"
)

// endless is what a hostile program prints: as much as is taken.
type endless struct{ left int64 }

func (e *endless) Read(b []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), e.left))
	e.left -= int64(n)
	return n, nil
}

// TestLimited: nothing that copies to it goes around the limit.
func TestLimited(t *testing.T) {
	t.Parallel()
	var l limited
	if n, err := io.Copy(&l, &endless{left: 3 * maxOutput}); err != nil || n != 3*maxOutput {
		t.Errorf("%d bytes were taken, %v", n, err)
	}
	if n := l.kept.Len(); n != maxOutput {
		t.Errorf("%d bytes were kept", n)
	}
}
