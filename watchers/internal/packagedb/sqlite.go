package packagedb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The format of SQLite 3, as much of it as the one table of rpm takes. The
// agent links an SQLite for its own store, but that would take locks on the
// database, make files beside it and run what its schema says; a reader of
// pages does none of this. See the "Database File Format" of SQLite.
//
// What was written and not yet moved into the file lies in a log beside it.

// sqlite is an open database.
type sqlite struct {
	file    *os.File
	log     *os.File         // nil for none
	logged  map[uint32]int64 // where in the log a page lies
	page    int              // bytes of one
	usable  int              // of these, what is not reserved
	pages   uint32           // how many there are
	visited uint32           // of a tree, against loops
	buf     []byte           // a payload
	depth   [treeMax][]byte  // a page for each level of a tree
	over    []byte           // an overflow page
}

// treeMax is deeper than a tree of 2^32 pages.
const treeMax = 24

var errSQLite = errors.New("its pages are damaged")

// readSQLite calls each for the headers in the table Packages.
func readSQLite(name string, each func([]byte) error) error {
	db, err := openSQLite(name)
	if err != nil {
		return err
	}
	defer db.close()
	root := uint32(0)
	err = db.table(1, func(record []byte) error {
		values, err := columns(record)
		if err != nil || len(values) < 4 {
			return errSQLite
		}
		if string(values[0].data) == "table" && string(values[1].data) == "Packages" {
			root = uint32(values[3].integer())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if root == 0 {
		return errors.New("it has no table of packages")
	}
	return db.table(root, func(record []byte) error {
		values, err := columns(record)
		if err != nil || len(values) < 2 {
			return errSQLite
		}
		return each(values[1].data)
	})
}

func openSQLite(name string) (*sqlite, error) {
	f, info, err := open(name, rpmFileMax)
	if err != nil {
		return nil, err
	}
	db := &sqlite{file: f, logged: map[uint32]int64{}}
	var head [100]byte
	if _, err = f.ReadAt(head[:], 0); err == nil && string(head[:16]) != "SQLite format 3\x00" {
		err = errors.New("it does not begin as a database of this format")
	}
	if err == nil {
		db.page = int(binary.BigEndian.Uint16(head[16:]))
		if db.page == 1 {
			db.page = 65536
		}
		db.usable = db.page - int(head[20])
		if db.page < 512 || db.page > 65536 || db.page&(db.page-1) != 0 || db.usable < 480 {
			err = errSQLite
		}
	}
	if err == nil {
		db.pages = uint32(info.Size() / int64(db.page))
		err = db.readLog(name + "-wal")
	}
	if err != nil {
		db.close()
		return nil, err
	}
	db.over = make([]byte, db.page)
	return db, nil
}

func (db *sqlite) close() {
	db.file.Close()
	if db.log != nil {
		db.log.Close()
	}
}

// logMax bounds the log; SQLite moves it into the file at some 4 MB, and a
// large transaction makes it as large as the database.
const logMax = 1 << 30

// readLog finds the pages of all transactions that are complete in the log.
func (db *sqlite) readLog(name string) error {
	f, info, err := open(name, logMax)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Size() < 32 {
		f.Close()
		return nil
	}
	db.log = f
	var head [32]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return err
	}
	magic := binary.BigEndian.Uint32(head[:])
	if magic&^1 != 0x377f0682 || binary.BigEndian.Uint32(head[4:]) != 3007000 || int(binary.BigEndian.Uint32(head[8:])) != db.page {
		return errors.New("its log is damaged")
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	a, b := logSum(order, 0, 0, head[:24])
	if a != binary.BigEndian.Uint32(head[24:]) || b != binary.BigEndian.Uint32(head[28:]) {
		return nil // begun and not written: there is nothing in it
	}
	frame := make([]byte, 24+db.page)
	open := map[uint32]int64{} // of a transaction that is not complete
	for at := int64(32); at+int64(len(frame)) <= info.Size(); at += int64(len(frame)) {
		if _, err := f.ReadAt(frame, at); err != nil {
			return err
		}
		a, b = logSum(order, a, b, frame[:8])
		a, b = logSum(order, a, b, frame[24:])
		if !bytes.Equal(frame[8:16], head[16:24]) || a != binary.BigEndian.Uint32(frame[16:]) || b != binary.BigEndian.Uint32(frame[20:]) {
			break // of an earlier round, or half written
		}
		open[binary.BigEndian.Uint32(frame)] = at + 24
		if size := binary.BigEndian.Uint32(frame[4:]); size != 0 {
			for n, where := range open {
				db.logged[n] = where
			}
			clear(open)
			db.pages = size
		}
	}
	return nil
}

// logSum is the checksum of the log, over a whole number of pairs of words.
func logSum(order binary.ByteOrder, a, b uint32, data []byte) (uint32, uint32) {
	for ; len(data) >= 8; data = data[8:] {
		a += order.Uint32(data) + b
		b += order.Uint32(data[4:]) + a
	}
	return a, b
}

func (db *sqlite) read(n uint32, into []byte) error {
	if n == 0 || n > db.pages {
		return errSQLite
	}
	if at, ok := db.logged[n]; ok {
		_, err := db.log.ReadAt(into, at)
		return err
	}
	if _, err := db.file.ReadAt(into, int64(n-1)*int64(db.page)); err != nil {
		return fmt.Errorf("%w: %w", errSQLite, err)
	}
	return nil
}

// table calls each for the records of a table whose tree has this root.
func (db *sqlite) table(root uint32, each func(record []byte) error) error {
	db.visited = 0
	return db.tree(root, 0, each)
}

func (db *sqlite) tree(n uint32, level int, each func([]byte) error) error {
	if level == treeMax {
		return errSQLite
	}
	if db.visited++; db.visited > db.pages {
		return errSQLite
	}
	if db.depth[level] == nil {
		db.depth[level] = make([]byte, db.page)
	}
	page := db.depth[level]
	if err := db.read(n, page); err != nil {
		return err
	}
	at := 0
	if n == 1 {
		at = 100
	}
	kind, cells := page[at], int(binary.BigEndian.Uint16(page[at+3:]))
	first := at + 8
	if kind == 5 {
		first += 4
	}
	if kind != 5 && kind != 13 || first+2*cells > db.usable {
		return errSQLite
	}
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(page[first+2*i:]))
		if cell < first+2*cells || cell+4 > db.usable {
			return errSQLite
		}
		if kind == 5 {
			if err := db.tree(binary.BigEndian.Uint32(page[cell:]), level+1, each); err != nil {
				return err
			}
			continue
		}
		record, err := db.payload(page[cell:db.usable])
		if err != nil {
			return err
		}
		if err := each(record); err != nil {
			return err
		}
	}
	if kind == 5 {
		return db.tree(binary.BigEndian.Uint32(page[at+8:]), level+1, each)
	}
	return nil
}

// payload puts the record of a leaf's cell together.
func (db *sqlite) payload(cell []byte) ([]byte, error) {
	length, n := varint(cell)
	_, m := varint(cell[n:]) // the row's number
	if n == 0 || m == 0 || length > blobMax {
		return nil, errSQLite
	}
	cell = cell[n+m:]
	local := int(length)
	if local > db.usable-35 {
		least := (db.usable-12)*32/255 - 23
		if local = least + (int(length)-least)%(db.usable-4); local > db.usable-35 {
			local = least
		}
	}
	rest := int(length) - local
	if len(cell) < local || rest > 0 && len(cell) < local+4 {
		return nil, errSQLite
	}
	db.buf = append(db.buf[:0], cell[:local]...)
	if rest == 0 {
		return db.buf, nil
	}
	for next := binary.BigEndian.Uint32(cell[local:]); rest > 0; next = binary.BigEndian.Uint32(db.over) {
		if db.visited++; db.visited > db.pages {
			return nil, errSQLite
		}
		if err := db.read(next, db.over); err != nil {
			return nil, err
		}
		part := min(rest, db.usable-4)
		db.buf = append(db.buf, db.over[4:4+part]...)
		rest -= part
	}
	return db.buf, nil
}

// value is one column of a record.
type value struct {
	kind uint64
	data []byte
}

// integer is 0 for what is none.
func (v value) integer() (n int64) {
	switch {
	case v.kind == 9:
		return 1
	case v.kind >= 1 && v.kind <= 6:
		for i, b := range v.data {
			if i == 0 {
				n = int64(int8(b))
			} else {
				n = n<<8 | int64(b)
			}
		}
	}
	return n
}

// columns takes a record apart.
func columns(record []byte) ([]value, error) {
	length, n := varint(record)
	if n == 0 || length < uint64(n) || length > uint64(len(record)) {
		return nil, errSQLite
	}
	head, body := record[n:length], record[length:]
	var all []value
	for len(head) > 0 {
		kind, n := varint(head)
		if n == 0 || len(all) > 64 {
			return nil, errSQLite
		}
		head = head[n:]
		size := uint64(0)
		switch {
		case kind <= 4:
			size = kind
		case kind == 5:
			size = 6
		case kind == 6 || kind == 7:
			size = 8
		case kind >= 12:
			size = (kind - 12) / 2
		}
		if size > uint64(len(body)) {
			return nil, errSQLite
		}
		all = append(all, value{kind, body[:size]})
		body = body[size:]
	}
	return all, nil
}

// varint reads a number of one to nine bytes; n is 0 if there is none.
func varint(b []byte) (v uint64, n int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
