package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
)

// stream is one of the compressed parts of an apk package.
type stream struct {
	raw   []byte // as it is in the file
	sum   string // of raw
	name  string // of its first entry, and what it holds
	data  []byte
	text  map[string]string // of small entries
	modes map[string]int64
}

// splitAPK splits a package into signature, control and files.
func splitAPK(t *testing.T, data []byte) (signature, control, files stream) {
	t.Helper()
	var all []stream
	for len(data) > 0 {
		r := bytes.NewReader(data)
		z, err := gzip.NewReader(bufferless{r})
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		content, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		n := len(data) - r.Len()
		s := stream{raw: bytes.Clone(data[:n]), text: map[string]string{}, modes: map[string]int64{}}
		sum := sha256.Sum256(s.raw)
		s.sum = hex.EncodeToString(sum[:])
		for tr := tar.NewReader(bytes.NewReader(content)); ; {
			h, err := tr.Next()
			// Signature and control have no end: together with the files they are one archive.
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			if s.name == "" {
				s.name, s.data = h.Name, b
			}
			if len(b) < 1<<16 {
				s.text[h.Name] = string(b)
			}
			s.modes[h.Name] = h.Mode
		}
		all = append(all, s)
		data = data[n:]
	}
	if len(all) != 3 {
		t.Fatalf("the package has %d streams, want 3", len(all))
	}
	return all[0], all[1], all[2]
}

// bufferless keeps gzip from reading beyond the end of a stream: it does not
// when it can read single bytes.
type bufferless struct{ r *bytes.Reader }

func (b bufferless) Read(p []byte) (int, error) { return b.r.Read(p) }
func (b bufferless) ReadByte() (byte, error)    { return b.r.ReadByte() }

var _ io.ByteReader = bufferless{}
