package persistence

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
)

// lookLaunchd finds the user's LaunchAgents, launchd.plist(5).
func lookLaunchd(_ context.Context, s *scan) {
	dir := s.files.inHome("Library/LaunchAgents")
	for _, name := range s.list(dir) {
		p := filepath.Join(dir, name)
		if !strings.HasSuffix(name, ".plist") {
			continue
		}
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		e := &entry{what: Agent, path: p, changed: when, starts: true, steps: []step{{Kind: stepMove, From: p}}}
		plist, err := parsePlist(b)
		if err != nil {
			s.skip("%s: %v", s.files.tilde(p), err)
			e.tell = "it could not be read: " + err.Error()
			s.add(e)
			continue
		}
		s.launchAgent(e, plist)
		s.add(e)
	}
}

func (s *scan) launchAgent(e *entry, plist map[string]any) {
	var words []string
	if args, ok := plist["ProgramArguments"].([]any); ok {
		for _, a := range args {
			if w, ok := a.(string); ok {
				words = append(words, w)
			}
		}
	}
	if p, ok := plist["Program"].(string); ok {
		words = append([]string{p}, words[min(1, len(words)):]...)
	}
	e.text = strings.Join(words, " ")
	dir, _ := plist["WorkingDirectory"].(string)
	e.execute(s, words, s.files.untilde(dir))
	if env, ok := plist["EnvironmentVariables"].(map[string]any); ok {
		for _, name := range sortedKeys(env) {
			if v, ok := env[name].(string); ok {
				e.environment(s, name+"="+v)
			}
		}
	}
	switch {
	case truth(plist["KeepAlive"]):
		e.repeats = "it is started again when it ends (KeepAlive)"
	case plist["StartInterval"] != nil:
		e.repeats = "it is started again and again (StartInterval)"
	case plist["StartCalendarInterval"] != nil:
		e.repeats = "it is started again and again (StartCalendarInterval)"
	case plist["WatchPaths"] != nil || plist["QueueDirectories"] != nil:
		e.repeats = "it is started when a file changes"
	}
	e.starts = !truth(plist["Disabled"]) && (e.repeats != "" || truth(plist["RunAtLoad"]) || plist["Sockets"] != nil || plist["MachServices"] != nil || plist["LaunchEvents"] != nil)
	if label, ok := plist["Label"].(string); ok && label != "" && !strings.ContainsAny(label, "/\x00\n") {
		e.steps = append([]step{{Kind: stepLaunchStop, Names: []string{label}}}, append(e.steps, step{Kind: stepLaunchOut, Names: []string{label}})...)
	}
}

// truth is what a plist's value means where a condition may stand instead of true.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case map[string]any:
		return len(v) > 0
	}
	return false
}

var (
	errBinaryPlist = errors.New("it is a binary property list, which is not read yet")
	errPlist       = errors.New("it is not a property list")
)

// parsePlist reads an XML property list, plist(5).
func parsePlist(b []byte) (map[string]any, error) {
	if bytes.HasPrefix(b, []byte("bplist")) {
		return nil, errBinaryPlist
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = true
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for tokens := 0; ; tokens++ {
		t, err := d.Token()
		if err != nil || tokens > 100 {
			return nil, errPlist
		}
		if start, ok := t.(xml.StartElement); ok && start.Name.Local == "dict" {
			left := 10_000
			v, err := plistValue(d, start, 0, &left)
			if err != nil {
				return nil, errPlist
			}
			m, _ := v.(map[string]any)
			return m, nil
		}
	}
}

func plistValue(d *xml.Decoder, start xml.StartElement, depth int, left *int) (any, error) {
	if *left--; *left < 0 || depth > 20 {
		return nil, errPlist
	}
	switch start.Name.Local {
	case "dict", "array":
		m, list, key := map[string]any{}, []any{}, ""
		for {
			t, err := d.Token()
			if err != nil {
				return nil, err
			}
			switch t := t.(type) {
			case xml.EndElement:
				if start.Name.Local == "dict" {
					return m, nil
				}
				return list, nil
			case xml.StartElement:
				if t.Name.Local == "key" {
					if err := d.DecodeElement(&key, &t); err != nil {
						return nil, err
					}
					continue
				}
				v, err := plistValue(d, t, depth+1, left)
				if err != nil {
					return nil, err
				}
				if m[key] = v; start.Name.Local == "array" {
					list = append(list, v)
				}
			}
		}
	case "true", "false":
		return start.Name.Local == "true", d.Skip()
	}
	var text string
	err := d.DecodeElement(&text, &start)
	return text, err
}
