package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"wormbell/internal/daemon"
)

// start runs a shell script in the place of the agent.
func start(t *testing.T, script string) (*daemon.Daemon, string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a shell script")
	}
	dir := t.TempDir()
	d, err := daemon.Start("/bin/sh", filepath.Join(dir, "log"), "-c", script, dir)
	if err != nil {
		t.Fatal(err)
	}
	return d, dir
}

func TestAwaitAndStop(t *testing.T) {
	t.Parallel()
	d, dir := start(t, `trap 'touch "$0/polite"; exit 0' TERM; touch "$0/ready"; while :; do sleep 0.01; done`)
	err := d.Await(t.Context(), func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "polite")); err != nil {
		t.Error("it was not asked to end:", err)
	}
	select {
	case <-d.Ended():
	default:
		t.Error("it still runs")
	}
}

func TestEndsAtOnce(t *testing.T) {
	t.Parallel()
	d, _ := start(t, `echo first; echo "settings: no key" >&2; exit 2`)
	err := d.Await(t.Context(), func(context.Context) error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "ended at once: settings: no key") || strings.Contains(err.Error(), "first") {
		t.Errorf("Await says %v", err)
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStubborn(t *testing.T) {
	t.Parallel()
	d, dir := start(t, `trap '' TERM; touch "$0/ready"; while :; do sleep 0.01; done`)
	if err := d.Await(t.Context(), func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err
	}); err != nil {
		t.Error(err)
	}
	before := time.Now()
	if err := d.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Stop says %v", err)
	}
	if took := time.Since(before); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAwaitIsBounded(t *testing.T) {
	t.Parallel()
	d, _ := start(t, `while :; do sleep 0.01; done`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Await(ctx, func(context.Context) error { return errors.New("no answer") }); err == nil {
		t.Error("Await says it answers")
	}
	if err := d.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStartNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := daemon.Start(filepath.Join(dir, "absent"), filepath.Join(dir, "log")); err == nil {
		t.Error("what is not there was started")
	}
}
