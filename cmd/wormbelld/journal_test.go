package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPriorities: each line of the log begins with its priority, also if what it
// tells comes from somebody who would like another one.
func TestPriorities(t *testing.T) {
	for _, c := range []struct {
		do   func(*slog.Logger)
		want string
	}{
		{func(l *slog.Logger) { l.Debug("x") }, "<7>"},
		{func(l *slog.Logger) { l.Info("x") }, "<6>"},
		{func(l *slog.Logger) { l.Warn("x") }, "<4>"},
		{func(l *slog.Logger) { l.Error("x") }, "<3>"},
		{func(l *slog.Logger) { l.Log(t.Context(), slog.LevelWarn+1, "x") }, "<4>"},
		{func(l *slog.Logger) { l.Info("level=ERROR", "x", "y\n<0>level=ERROR\r<0>") }, "<6>"},
		{func(l *slog.Logger) { l.Warn("a\n<7>level=DEBUG msg=b", "level", "DEBUG") }, "<4>"},
	} {
		var b bytes.Buffer
		c.do(slog.New(slog.NewTextHandler(prioritized{&b}, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if got := b.String(); !strings.HasPrefix(got, c.want+"time=") || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
			t.Errorf("%q, want it to begin with %s", got, c.want)
		}
	}
	var b bytes.Buffer
	prioritized{&b}.Write([]byte("level=WARN msg=\"log lines were lost\"\n"))
	if b.String() != "<4>level=WARN msg=\"log lines were lost\"\n" {
		t.Errorf("%q", b.String())
	}
}

// TestLogOf: lines have priorities in the journal, and nowhere else.
func TestLogOf(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, plain := logTo(f).(*os.File)
	for stream, want := range map[string]bool{"": false, "1:1": false, "x": false, streamOf(t, f): runtime.GOOS == "linux"} {
		t.Setenv("JOURNAL_STREAM", stream)
		if _, got := logTo(f).(prioritized); got != want {
			t.Errorf("JOURNAL_STREAM=%q: %v", stream, got)
		}
	}
	if !plain {
		t.Error("without JOURNAL_STREAM the output is not the file's own")
	}
}
