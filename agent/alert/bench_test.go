package alert_test

import (
	"fmt"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/alert"
)

func BenchmarkRecord(b *testing.B) {
	s, err := alert.Open(alert.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	t0 := time.Unix(1700000000, 0)
	sh := &wormbell.Process{PID: 50, Start: t0, Exe: "/bin/bash", Signer: "root", TTY: "/dev/pts/1", Leader: true, Args: []string{"bash"}}
	npm := &wormbell.Process{PID: 51, Start: t0, Exe: "/usr/bin/node", Script: "/usr/lib/npm", Parent: sh, Args: []string{"npm", "install", "evil"}}
	dep := &wormbell.Process{PID: 52, Start: t0, Exe: "/bin/sh", Package: &wormbell.Package{Name: "evil"}, Lifecycle: "postinstall", Parent: npm, Args: []string{"sh", "-c", "node bundle.js"}}
	for i := 0; b.Loop(); i++ {
		p := &wormbell.Process{PID: 100 + i, Start: t0, Exe: "/usr/bin/node", Parent: dep, Package: dep.Package}
		e := wormbell.Event{Time: t0.Add(time.Duration(i) * time.Second), Kind: wormbell.FileRead, Path: "~/.npmrc", User: "1000", Process: p}
		if _, err := s.Record(wormbell.Finding{Detector: "credential-read", Subject: fmt.Sprint("~/.npmrc", i%3), Process: p, Evidence: []wormbell.Event{e}, Time: e.Time}, alert.Meta{Title: "t"}); err != nil {
			b.Fatal(err)
		}
	}
}
