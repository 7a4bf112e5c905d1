package watchers

import (
	"context"
	"path"
	"sync"
	"time"

	"wormbell"
	"wormbell/internal/publish"
	"wormbell/watchers/internal/signer"
)

// published reads what a publish is about to publish, in goroutines of its
// own: a folder of the person's may lie on a file system that does not answer,
// and nobody else shall wait for it.
type published struct {
	files *signer.Files
	room  chan struct{} // one element a read that goes on
	wg    sync.WaitGroup
}

const (
	// readersMax is how many publishes are looked at at once.
	readersMax = 4
	// readFor is how long one may take. npm itself needs longer to get to
	// the registry.
	readFor = 100 * time.Millisecond
)

func newPublished(f *signer.Files) *published {
	return &published{files: f, room: make(chan struct{}, readersMax)}
}

// enqueue reports whether e is a publish of a folder; if so it tells e, with
// the package in it if that can be read in time.
func (p *published) enqueue(ctx context.Context, e wormbell.Event, out Out) bool {
	a, ok := publish.Parse(e.Process)
	if !ok || a.Folder == "" || !path.IsAbs(a.Folder) {
		return false
	}
	select {
	case p.room <- struct{}{}:
	default:
		return false // all of them hang, or it is a storm: told without the package
	}
	found := make(chan *wormbell.Package, 1)
	go func() { // reads one manifest; may hang in the kernel, so nobody waits for it
		defer func() { <-p.room }()
		found <- p.read(a.Folder)
	}()
	p.wg.Go(func() { // tells one publish
		deadline := time.NewTimer(readFor)
		defer deadline.Stop()
		select {
		case e.Package = <-found:
		case <-deadline.C:
		case <-ctx.Done():
		}
		out.Emit(e)
	})
	return true
}

// read returns the package in a folder, nil if there is none to be read.
func (p *published) read(folder string) *wormbell.Package {
	b, err := p.files.Read(path.Join(folder, "package.json"), manifestMax)
	if err != nil {
		return nil
	}
	name, version := nameAndVersion(b)
	if name == "" {
		return nil
	}
	return &wormbell.Package{Ecosystem: "npm", Name: name, Version: version}
}

// close waits until everything was told.
func (p *published) close() { p.wg.Wait() }
