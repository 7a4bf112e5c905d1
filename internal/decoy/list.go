package decoy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"wormbell"
)

// ListName is the file in the agent's state folder that says which decoys lie
// where. What stands in them it does not say.
const ListName = "decoys.json"

const (
	listVersion = 1
	maxListFile = 1 << 20 // bytes
)

type listForm struct {
	Version int              `json:"version"`
	Decoys  []wormbell.Decoy `json:"decoys"`
}

// ReadList reads the list in the state folder; there is none if there is no file.
func ReadList(state string) ([]wormbell.Decoy, error) {
	f, err := os.OpenFile(filepath.Join(state, ListName), os.O_RDONLY|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the list of decoys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxListFile) {
		err = errors.New("it is no list")
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, maxListFile))
	}
	var form listForm
	if err == nil {
		err = json.Unmarshal(b, &form)
	}
	if err == nil && form.Version != listVersion {
		err = fmt.Errorf("its version is %d", form.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of decoys: %w", err)
	}
	return form.Decoys, nil
}

// WriteList writes the list in the state folder; a crash leaves the old one or
// the new one.
func WriteList(state string, list []wormbell.Decoy) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep the list of decoys: %w", err)
		}
	}()
	kept := make([]wormbell.Decoy, 0, len(list))
	for _, d := range list {
		d.State, d.Why, d.LastRead, d.LastBy = "", "", nil, "" // of now
		kept = append(kept, d)
	}
	b, err := json.Marshal(listForm{listVersion, kept})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(state, ListName+".*") // of the mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(state, ListName))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
