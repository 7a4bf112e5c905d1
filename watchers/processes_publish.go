package watchers

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"path"
	"strings"
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
	limit time.Duration // of one read: readFor, longer for tests
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
	return &published{files: f, limit: readFor, room: make(chan struct{}, readersMax)}
}

// enqueue reports whether e is a publish of a folder or of a tarball; if so it
// tells e, with the package in it if that can be read in time.
func (p *published) enqueue(ctx context.Context, e wormbell.Event, out Out) bool {
	a, ok := publish.Parse(e.Process)
	if !ok || !path.IsAbs(a.Folder) && !path.IsAbs(a.Tarball) {
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
		if path.IsAbs(a.Tarball) {
			found <- p.unpack(a.Tarball, time.Now().Add(p.limit))
			return
		}
		found <- p.read(a.Folder)
	}()
	p.wg.Go(func() { // tells one publish
		deadline := time.NewTimer(p.limit)
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
	return packageOf(b)
}

// packageOf returns the package that a manifest is of, nil if it has no name.
func packageOf(manifest []byte) *wormbell.Package {
	name, version := nameAndVersion(manifest)
	if name == "" {
		return nil
	}
	return &wormbell.Package{Ecosystem: "npm", Name: name, Version: version}
}

// Bounds of what is read of a tarball. Most are a few hundred kilobytes; of a
// bigger one it is not known what is in it.
const (
	tarballMax  = 8 << 20  // bytes as they lie on the disk
	unpackedMax = 16 << 20 // and unpacked, some 0.1 s of work
)

// unpack returns the package that a tarball holds, nil if that was not found
// out until then. Of two manifests the last one counts, as it does when npm
// unpacks it over the first, so all of the tarball must be seen.
func (p *published) unpack(name string, until time.Time) *wormbell.Package {
	f, err := p.files.Open(name, tarballMax)
	if err != nil {
		return nil
	}
	defer f.Close()
	in := bufio.NewReader(io.LimitReader(f, tarballMax))
	var tape io.Reader = in
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b { // RFC 1952
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil
		}
		tape = z
	}
	bounded := &boundedReader{r: tape, left: unpackedMax, until: until}
	files := tar.NewReader(bounded)
	var manifest []byte
	for {
		h, err := files.Next()
		if err != nil {
			if bounded.cut || !errors.Is(err, io.EOF) {
				return nil
			}
			return packageOf(manifest)
		}
		// npm takes away the first part of every path, whatever it is.
		_, inside, ok := strings.Cut(path.Clean("/" + h.Name)[1:], "/")
		if !ok || inside != "package.json" || h.Typeflag != tar.TypeReg {
			continue
		}
		if manifest, err = io.ReadAll(io.LimitReader(files, manifestMax)); err != nil {
			return nil
		}
	}
}

// boundedReader ends when there is more than it may read, or no time left.
type boundedReader struct {
	r     io.Reader
	left  int
	until time.Time
	cut   bool // there was more
}

func (b *boundedReader) Read(buf []byte) (int, error) {
	if b.left <= 0 || time.Now().After(b.until) {
		b.cut = true
		return 0, io.EOF
	}
	n, err := b.r.Read(buf[:min(len(buf), b.left)])
	b.left -= n
	return n, err
}

// close waits until everything was told.
func (p *published) close() { p.wg.Wait() }
