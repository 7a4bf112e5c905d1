package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// parcel is a synthetic package: what the public ones look like to a file
// system, without the network.
type parcel struct {
	name     string
	manifest map[string]any
	files    map[string]string
}

// innerManifests is how many packages carry a second package.json inside, as
// those do that ship two module systems.
const innerManifests = 14

// parcels makes n packages of some 19 files of 0.2 to 4 kB each, as many as a
// web server with its tests has. The same n gives the same packages.
func parcels(n int) []parcel {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	list := make([]parcel, n)
	for i := range list {
		p := parcel{name: fmt.Sprintf("lib-%03d", i), files: map[string]string{}}
		if i%10 == 9 {
			p.name = fmt.Sprintf("@team%d/%s", i%3, p.name)
		}
		p.manifest = map[string]any{"name": p.name, "version": fmt.Sprintf("1.%d.0", i%7), "main": "lib/0.js", "license": "MIT",
			"description": "a package that does nothing", "repository": map[string]string{"type": "git", "url": "git+https://git.example.com/" + p.name + ".git"}}
		p.files["README.md"] = source(random, 1000)
		for k := range 2 + i*37%33 {
			p.files[fmt.Sprintf("%s/%d.js", []string{"lib", "dist", "lib/util", "test"}[k%4], k)] = source(random, 200+random.IntN(3700))
		}
		if i < innerManifests {
			p.files["esm/package.json"] = "{\"type\":\"module\"}\n"
		}
		list[i] = p
	}
	return list
}

// source is text of about that many bytes that packs about as well as a program does.
func source(random *rand.Rand, size int) string {
	var s strings.Builder
	for s.Len() < size {
		fmt.Fprintf(&s, "exports.f%d = (a, b) => a * %d + b // %x\n", random.IntN(100), random.IntN(10000), random.Uint64())
	}
	return s.String()
}

// seed puts packages into the home's registry and makes a project that depends
// on them all.
func (h *home) seed(project string, list []parcel) error {
	needs := map[string]string{}
	for _, p := range list {
		if err := h.registry.Seed(p.manifest, p.files); err != nil {
			return err
		}
		needs[p.name] = p.manifest["version"].(string)
	}
	b, err := json.Marshal(map[string]any{"name": "app", "version": "1.0.0", "private": true, "dependencies": needs})
	if err != nil {
		return fmt.Errorf("encode the project's manifest: %w", err)
	}
	return h.write(project+"/package.json", string(b))
}

// plant writes a project with packages installed, as npm leaves it, without
// npm, and returns how many files that are.
func plant(project string, list []parcel) (count int, err error) {
	write := func(name, text string) error {
		count++
		p := filepath.Join(project, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		return os.WriteFile(p, []byte(text), 0o644)
	}
	if err := write("package.json", `{"name":"app","version":"1.0.0","private":true}`); err != nil {
		return 0, fmt.Errorf("make a project: %w", err)
	}
	for _, p := range list {
		b, err := json.MarshalIndent(p.manifest, "", "  ")
		if err != nil {
			return 0, fmt.Errorf("encode a manifest: %w", err)
		}
		dir := "node_modules/" + p.name + "/"
		if err := write(dir+"package.json", string(b)); err != nil {
			return 0, fmt.Errorf("make a package: %w", err)
		}
		for name, text := range p.files {
			if err := write(dir+name, text); err != nil {
				return 0, fmt.Errorf("make a package: %w", err)
			}
		}
	}
	return count, nil
}

// twin makes a copy of a tree in which everything but package.json files is a
// hard link: as many names and folders, little of the disk.
func twin(from, to string) error {
	err := filepath.WalkDir(from, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Name() == "package.json":
			return copyFile(p, target, 0o644)
		}
		return os.Link(p, target)
	})
	if err != nil {
		return fmt.Errorf("copy a tree: %w", err)
	}
	return nil
}
