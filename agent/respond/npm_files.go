package respond

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// This file reads the files in which package managers keep their tokens.

// npmrc reads files of npm and pnpm: npmrc(5).
func npmrc(data []byte) ([]npmEntry, error) {
	lines := edit.INI(data)
	of := func(key string) string { // the last one counts
		for _, e := range slices.Backward(lines) {
			if len(e.Path) == 1 && e.Path[0] == key {
				return e.Value
			}
		}
		return ""
	}
	var out []npmEntry
	for _, e := range lines {
		if len(e.Path) != 1 {
			continue
		}
		key := e.Path[0]
		scope, name := "", key
		if strings.HasPrefix(key, "//") {
			i := strings.LastIndex(key, ":_")
			if i < 0 {
				continue
			}
			scope, name = key[:i], key[i+1:]
		}
		n := npmEntry{Entry: e, key: key, registry: scope}
		if scope == "" {
			n.registry = of("registry")
		}
		switch name {
		case "_authToken":
			n.value = secret.Of(e.Value)
		case "_auth":
			npmPair(&n, e.Value)
		case "_password":
			n.basic, n.value = true, secret.Of(e.Value)
			if scope != "" {
				n.user = of(scope + ":username")
			} else {
				n.user = of("username")
			}
			if plain, err := base64.StdEncoding.DecodeString(e.Value); err == nil {
				n.value = secret.Of(string(plain))
				n.encode = func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
			}
		default:
			continue
		}
		out = append(out, n)
	}
	return out, nil
}

// npmPair fills in n from user:password, plain or in base64.
func npmPair(n *npmEntry, text string) {
	n.basic, n.value = true, secret.Of(text)
	plain, coded := text, false
	if b, err := base64.StdEncoding.DecodeString(text); err == nil {
		plain, coded = string(b), true
	}
	user, password, ok := strings.Cut(plain, ":")
	if !ok || strings.Contains(text, "${") {
		return
	}
	n.user, n.value = user, secret.Of(password)
	n.encode = func(s string) string {
		if coded {
			return base64.StdEncoding.EncodeToString([]byte(user + ":" + s))
		}
		return user + ":" + s
	}
}

// npmBerry reads .yarnrc.yml of yarn 2 and later.
func npmBerry(data []byte) ([]npmEntry, error) {
	all, err := edit.YAML(data)
	return npmKeyed(all, "npmAuthToken", "npmAuthIdent", func(in []string) string {
		if len(in) == 2 && in[0] == "npmRegistries" {
			if strings.HasPrefix(in[1], "//") {
				return strings.TrimRight(in[1], "/") + "/"
			}
			return in[1]
		}
		return cmp.Or(npmValueAt(all, append(slices.Clone(in), "npmRegistryServer")...), npmValueAt(all, "npmRegistryServer"))
	}), err
}

// npmBunfig reads bunfig.toml.
func npmBunfig(data []byte) ([]npmEntry, error) {
	all, err := edit.TOML(data)
	if err != nil {
		return nil, err
	}
	server := func(in []string) string {
		return cmp.Or(npmValueAt(all, append(slices.Clone(in), "url")...), npmValueAt(all, "install", "registry", "url"), npmValueAt(all, "install", "registry"))
	}
	within := slices.DeleteFunc(slices.Clone(all), func(e edit.Entry) bool { return len(e.Path) == 0 || e.Path[0] != "install" })
	out := npmKeyed(within, "token", "", server)
	for _, e := range within {
		if in, last := e.Path[:len(e.Path)-1], e.Path[len(e.Path)-1]; last == "password" {
			out = append(out, npmEntry{Entry: e, key: strings.Join(e.Path, "."), registry: server(in), basic: true,
				user: npmValueAt(all, append(slices.Clone(in), "username")...), value: secret.Of(e.Value)})
		}
	}
	return out, nil
}

// npmKeyed returns the entries whose last key is token or pair; server names
// the registry of the keys before it.
func npmKeyed(all []edit.Entry, token, pair string, server func(in []string) string) []npmEntry {
	var out []npmEntry
	for _, e := range all {
		if len(e.Path) == 0 { // a file that is one value
			continue
		}
		in, last := e.Path[:len(e.Path)-1], e.Path[len(e.Path)-1]
		n := npmEntry{Entry: e, key: strings.Join(e.Path, "."), registry: server(in), value: secret.Of(e.Value)}
		switch last {
		case token:
		case pair:
			npmPair(&n, e.Value)
		default:
			continue
		}
		out = append(out, n)
	}
	return out
}

func npmValueAt(all []edit.Entry, keys ...string) string {
	for _, e := range all {
		if slices.Equal(e.Path, keys) {
			return e.Value
		}
	}
	return ""
}

// npmClassic reads .yarnrc of yarn 1: a key and a value in a line, with a blank
// between them, each maybe in quotes.
func npmClassic(data []byte) ([]npmEntry, error) {
	var out []npmEntry
	registry := ""
	for at := 0; at < len(data); {
		line := edit.Span{From: at, To: len(data)}
		if i := strings.IndexByte(string(data[at:]), '\n'); i >= 0 {
			line.To = at + i + 1
		}
		at = line.To
		key, after, ok := npmWord(data, line.From, line.To)
		if !ok || key.From == key.To || data[key.From] == '#' {
			continue
		}
		value, _, ok := npmWord(data, after, line.To)
		if !ok || value.From == value.To {
			continue
		}
		name, text := string(data[key.From:key.To]), string(data[value.From:value.To])
		scope, isToken := strings.CutSuffix(name, "_authToken")
		switch {
		case name == "registry":
			registry = text
		case isToken && (scope == "" || strings.HasPrefix(scope, "//") && strings.HasSuffix(scope, ":")) && !strings.ContainsRune(text, '\\'):
			out = append(out, npmEntry{Entry: edit.Entry{Path: []string{name}, Value: text, Span: value, Line: line},
				key: name, registry: strings.TrimSuffix(scope, ":"), value: secret.Of(text), classic: true})
		}
	}
	for i := range out {
		out[i].registry = cmp.Or(out[i].registry, registry)
	}
	return out, nil
}

// npmWord finds the next word of a line of yarn 1, without its quotes, and where
// it ends.
func npmWord(data []byte, from, to int) (word edit.Span, after int, ok bool) {
	for from < to && strings.IndexByte(" \t\r\n", data[from]) >= 0 {
		from++
	}
	if from < to && (data[from] == '"' || data[from] == '\'') {
		end := strings.IndexByte(string(data[from+1:to]), data[from])
		if end < 0 {
			return word, to, false
		}
		return edit.Span{From: from + 1, To: from + 1 + end}, from + end + 2, true
	}
	end := from
	for end < to && strings.IndexByte(" \t\r\n", data[end]) < 0 {
		end++
	}
	return edit.Span{From: from, To: end}, end, true
}
