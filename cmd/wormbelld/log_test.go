package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuck lets nobody write before it is opened.
type stuck struct {
	open chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) { <-s.open; return s.Buffer.Write(b) }

func TestLogWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stuck{open: make(chan struct{})}
		log := newTardy(s)
		for i := range logLines + 100 { // would never return if one of them waited
			fmt.Fprintf(log, "line %d\n", i)
			synctest.Wait()
		}
		began := time.Now()
		log.close(time.Second)
		if took := time.Since(began); took > time.Second {
			t.Errorf("close took %v", took)
		}
		close(s.open)
		synctest.Wait()
		if got := s.String(); !strings.Contains(got, "line 0\n") || !strings.Contains(got, fmt.Sprintf("line %d\n", logLines)) ||
			!strings.Contains(got, "count=99\n") || strings.Contains(got, fmt.Sprintf("line %d\n", logLines+1)) {
			t.Errorf("written: %.200s… %.200s", got, got[max(0, len(got)-200):])
		}
		close(log.lines)
	})
}

func TestLogIsWrittenToTheEnd(t *testing.T) {
	var b bytes.Buffer
	log := newTardy(&b)
	for i := range 500 {
		fmt.Fprintf(log, "line %d\n", i)
	}
	log.close(10 * time.Second)
	if n := strings.Count(b.String(), "\n"); n != 500 {
		t.Errorf("%d lines written", n)
	}
}
