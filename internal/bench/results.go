package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// result is what came of one figure the last time it was measured. All of them
// are kept in a file, from which docs/benchmarks.md is written as a whole: a
// figure can be measured by itself in a quiet moment.
type result struct {
	Figure  string `json:"figure"`
	Taken   string `json:"taken"` // the day, in UTC
	Quick   bool   `json:"quick,omitempty"`
	Machine string `json:"machine"`
	Load    string `json:"load"` // of the minute before
	Rows    []row  `json:"rows"`
}

// results is the file.
type results struct {
	Note    string   `json:"note"`
	Results []result `json:"results"` // in the order of figures
}

const resultsNote = "Written by go run ./internal/bench -update; do not edit."

// readResults reads the file; one that is not there holds none.
func readResults(file string) (results, error) {
	r := results{Note: resultsNote}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, fmt.Errorf("read the figures of before: %w", err)
	}
	return r, nil
}

// write writes the file.
func (r results) write(file string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // for people, who read "<" in a change
	e.SetIndent("", " ")
	err := e.Encode(r)
	if err == nil {
		err = os.WriteFile(file, b.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// with returns r with what was measured now in the place of what was before.
// Figures that are no more are left out.
func (r results) with(when time.Time, m machine, quick bool, done []measured) results {
	var list []result
	for _, f := range figures {
		if i := slices.IndexFunc(done, func(d measured) bool { return d.figure.name == f.name }); i >= 0 {
			list = append(list, result{Figure: f.name, Taken: when.UTC().Format(time.DateOnly), Quick: quick, Machine: m.String(), Load: done[i].load, Rows: done[i].rows})
		} else if i := slices.IndexFunc(r.Results, func(old result) bool { return old.Figure == f.name }); i >= 0 {
			list = append(list, r.Results[i])
		}
	}
	return results{Note: resultsNote, Results: list}
}
