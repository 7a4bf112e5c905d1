package packagedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The format "ndb" of SUSE's rpm: pages of slots, each of which says where a
// header lies. Numbers are little-endian. See rpm's lib/backend/ndb/rpmpkg.c.
const (
	ndbMagic   = "RpmP"
	ndbSlot    = "Slot"
	ndbBlob    = "BlbS"
	ndbPage    = 4096
	ndbBlock   = 16 // bytes that offsets and lengths count
	ndbHeader  = 32
	ndbPages   = 1 << 14 // of slots; each has 256
	rpmFileMax = 4 << 30
)

var errNDB = errors.New("its slots are damaged")

func readNDB(name string, each func([]byte) error) error {
	f, info, err := open(name, rpmFileMax)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [ndbHeader]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return err
	}
	le := binary.LittleEndian
	if string(head[:4]) != ndbMagic || le.Uint32(head[4:]) != 0 {
		return errors.New("it does not begin as a database of this format")
	}
	pages := le.Uint32(head[12:])
	if pages > ndbPages || int64(pages)*ndbPage > info.Size() {
		return errNDB
	}
	slots := make([]byte, int(pages)*ndbPage)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, int64(len(slots))), slots); err != nil {
		return err
	}
	var blob []byte
	total := int64(0)
	for at := ndbHeader; at+ndbBlock <= len(slots); at += ndbBlock {
		s := slots[at:]
		if string(s[:4]) != ndbSlot {
			return errNDB
		}
		index, where, blocks := le.Uint32(s[4:]), int64(le.Uint32(s[8:]))*ndbBlock, int64(le.Uint32(s[12:]))*ndbBlock
		if where == 0 {
			continue // free
		}
		var h [16]byte
		if index == 0 || where < int64(len(slots)) || blocks < 28 || where+blocks > info.Size() {
			return errNDB
		}
		if _, err := f.ReadAt(h[:], where); err != nil {
			return err
		}
		length := int64(le.Uint32(h[12:]))
		if string(h[:4]) != ndbBlob || le.Uint32(h[4:]) != index || length > blobMax || 16+length > blocks {
			return fmt.Errorf("the header of package %d is damaged", index)
		}
		if total += length; total > info.Size() {
			return errNDB // slots share what they point to
		}
		if int64(cap(blob)) < length {
			blob = make([]byte, length)
		}
		blob = blob[:length]
		if _, err := f.ReadAt(blob, where+16); err != nil {
			return err
		}
		if err := each(blob); err != nil {
			return err
		}
	}
	return nil
}
