package settings

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/trustrow"
)

// maxRows is how many rows the administrator's files may hold altogether: as
// many as one user may add. Each is asked of every read.
const maxRows = 500

// Trust reads the administrator's rows for the trust table: [[row]] tables in
// the files of the folder trust.d beside src's file, in the order of their
// names. A row that is not as it should be is left out and told in problems;
// that rings more than was meant, and never less. One whose time is over is told
// in notices: it was right, and can go. What a row's program is now, Trust does
// not look at.
func Trust(src Source, now time.Time) (rows []wormbell.TrustRow, problems, notices []string) {
	if src.File == "" || !src.Root {
		return nil, nil, nil // of their own agent, users add rows with 'wormbell trust add'
	}
	ids := map[string]bool{}
	for _, f := range folder(filepath.Join(filepath.Dir(src.File), "trust.d"), src.Root) {
		if f.err != nil {
			problems = append(problems, TrustProblem(f.path, 0, f.err))
			continue
		}
		got, errs := parseTrust(f.text, now)
		for _, e := range errs {
			if errors.Is(e.err, errOver) {
				notices = append(notices, fmt.Sprintf("trust: row %d of %q holds no more, its time is over", e.row, f.path))
				continue
			}
			problems = append(problems, TrustProblem(f.path, e.row, e.err))
		}
		for _, r := range got {
			if ids[r.ID] {
				continue // it stands in two files, and holds once
			}
			if len(rows) == maxRows {
				return rows, append(problems, TrustProblem(f.path, 0, fmt.Errorf("the files hold more than %d rows; those from here on are left out", maxRows))), notices
			}
			ids[r.ID] = true
			r.File = f.path
			rows = append(rows, r)
		}
	}
	return rows, problems, notices
}

// maxWrong is how many rows of a file are told of one by one: what is wrong with
// all the rest is the same, or the file is none.
const maxWrong = 20

// errOver is what is wrong with a row that was right until its time was over.
var errOver = errors.New("until is over")

// TrustProblem is the sentence that tells of a row that is left out; row 0 is
// for a whole file.
func TrustProblem(path string, row int, why error) string {
	switch row {
	case 0:
		return fmt.Sprintf("trust: %q is not used: %v", path, why)
	case moreRows:
		return fmt.Sprintf("trust: of %q, %v", path, why)
	}
	return fmt.Sprintf("trust: row %d of %q is left out: %v", row, path, why)
}

// CheckTrustFile returns what is wrong with the contents of a file that is to
// become one of trust.d, and how many rows are as they should be.
func CheckTrustFile(path string, now time.Time) (good int, wrong []error) {
	text, err := slurp(path, nil)
	if err != nil {
		return 0, []error{err}
	}
	rows, errs := parseTrust(text, now)
	for _, e := range errs {
		err := e.err
		if e.row > 0 {
			err = fmt.Errorf("row %d: %w", e.row, err)
		}
		wrong = append(wrong, err)
	}
	return len(rows), wrong
}

// moreRows stands for the number of rows that are told of together.
const moreRows = -1

// rowError is what is wrong with one row, the first of which is 1; 0 is the file.
type rowError struct {
	row int
	err error
}

// rowKeys are the keys of a row, in the order in which they are written.
var rowKeys = []string{"store", "who", "under", "path", "reason", "digest", "until"}

func parseTrust(text []byte, now time.Time) (rows []wormbell.TrustRow, wrong []rowError) {
	var top map[string]any
	if _, err := parse(text, &top); err != nil {
		return nil, []rowError{{0, err}}
	}
	for key := range top {
		if key != "row" {
			return nil, []rowError{{0, fmt.Errorf("no key %q; rows are written as [[row]]", shown(key))}}
		}
	}
	list, ok := top["row"].([]map[string]any)
	if _, has := top["row"]; has && !ok {
		return nil, []rowError{{0, errors.New("rows are written as [[row]]")}}
	}
	more := 0 // that are wrong, besides
	for i, fields := range list {
		row, err := rowOf(fields)
		if err == nil && row.Until != nil && !row.Until.After(now) {
			err = errOver
		}
		if err == nil {
			err = trustrow.Check(row, now)
		}
		if err != nil {
			if over := errors.Is(err, errOver); len(wrong) < maxWrong || over && len(wrong) < maxRows {
				wrong = append(wrong, rowError{i + 1, err})
			} else if !over {
				more++
			}
			continue
		}
		row.ID = rowID(row)
		rows = append(rows, row)
	}
	if more > 0 {
		wrong = append(wrong, rowError{moreRows, fmt.Errorf("%d more of its rows are left out", more)})
	}
	return rows, wrong
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func rowOf(fields map[string]any) (row wormbell.TrustRow, err error) {
	row.Under, row.By = trustrow.NotDependency, "admin"
	to := map[string]*string{"store": &row.Store, "who": &row.Who, "under": &row.Under, "path": &row.Path, "reason": &row.Reason, "digest": &row.Digest}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch v := fields[key].(type) {
		case string:
			if to[key] == nil {
				return row, unknownOrType(key)
			}
			*to[key] = v
		case time.Time:
			if key != "until" {
				return row, unknownOrType(key)
			}
			v = v.UTC()
			row.Until = &v
		default:
			return row, unknownOrType(key)
		}
	}
	if row.Digest != "" && !digestForm.MatchString(row.Digest) {
		return row, errors.New("digest must be sha256: and 64 hexadecimal digits")
	}
	row.Reason = strings.TrimSpace(row.Reason)
	return row, nil
}

func unknownOrType(key string) error {
	switch {
	case !slices.Contains(rowKeys, key):
		key = shown(key)
		return fmt.Errorf("no key %q; did you mean %q?", key, nearest(key, rowKeys))
	case key == "until":
		return errors.New("until must be a date with time, such as 2030-01-31T18:00:00Z")
	}
	return fmt.Errorf("%s must be a string", key)
}

// rowID is a row's name, which it keeps for as long as it says the same.
func rowID(r wormbell.TrustRow) string {
	until := ""
	if r.Until != nil {
		until = r.Until.Format(time.RFC3339Nano)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{r.Store, r.Who, r.Under, r.Path, r.Digest, r.Reason, until}, "\x00")))
	return "file-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
}

// WriteTrust writes rows as a file of trust.d.
func WriteTrust(rows []wormbell.TrustRow) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString("\n[[row]]\n")
		for _, f := range []struct{ key, value string }{{"store", r.Store}, {"who", r.Who}, {"under", r.Under}, {"path", r.Path}, {"reason", r.Reason}, {"digest", r.Digest}} {
			if f.value != "" {
				fmt.Fprintf(&b, "%s = %s\n", f.key, quote(f.value))
			}
		}
		if r.Until != nil {
			fmt.Fprintf(&b, "until = %s\n", r.Until.UTC().Format(time.RFC3339Nano))
		}
	}
	return b.String()
}

// quote writes a basic string of TOML, in which control characters are escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
