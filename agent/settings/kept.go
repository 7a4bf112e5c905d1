package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// keptName is the file, in the agent's own folder, in which it keeps what the
// settings files said when they were last good.
const keptName = "settings-in-force.json"

// maxKept is how much is kept, in bytes, encoded. Who has more settings than
// that goes without.
const maxKept = 4 << 20

// keptVersion is the version of the form in which they are kept.
const keptVersion = 1

type keptFile struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

type keptForm struct {
	Version int        `json:"version"`
	Files   []keptFile `json:"files"`
}

// Keep writes down what is in force, in the folder that Source.Kept named, so
// that a file which is spoiled later can be stood in for. It is for the agent
// alone: who only looks keeps nothing. A file that was taken away is forgotten.
func (s *Settings) Keep(dir string) error {
	if dir == "" {
		return nil
	}
	path := filepath.Join(dir, keptName)
	if len(s.good) == 0 {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("forget settings: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(keptForm{keptVersion, s.good})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if len(text) > maxKept {
		return fmt.Errorf("keep settings: they are longer than %d bytes", maxKept)
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	return replace(path, text)
}

// readKept returns what Keep has written, nothing if that cannot be read: then
// nothing stands in, which is told where it matters.
func readKept(dir string) []keptFile {
	if dir == "" {
		return nil
	}
	f, err := openFile(filepath.Join(dir, keptName))
	if err != nil {
		return nil
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxKept {
		return nil
	}
	if judge := judge(os.Geteuid() == 0); judge != nil && judge(st) != nil {
		return nil
	}
	var form keptForm
	if json.NewDecoder(f).Decode(&form) != nil || form.Version != keptVersion {
		return nil
	}
	return form.Files
}
