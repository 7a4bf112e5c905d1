package edit_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"wormbell/agent/respond/edit"
)

// fuzz checks what every parser promises of any input: spans are within bounds,
// and after a replacement the value is the new one and no other entry changed.
func fuzz(f *testing.F, format string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s), "new", byte(0))
		f.Add([]byte(s), "n\"e'w\\ #;:%@\n\u2028ü", byte(1))
		f.Add([]byte(s), "12e3", byte(3))
	}
	parse := parsers[format]
	f.Fuzz(func(t *testing.T, data []byte, new string, which byte) {
		if len(data) > 1<<12 {
			return
		}
		kept := bytes.Clone(data)
		all, err := parse(data)
		if err != nil || len(all) == 0 {
			return
		}
		bounds(t, data, all)
		e := all[int(which)%len(all)]
		if again, err := e.Replace(data, e.Value); err != nil || again.New != again.Old {
			t.Fatalf("what it is already, %q: %q, %v", e.Value, again.New, err)
		}
		c, err := e.Replace(data, new)
		if !bytes.Equal(data, kept) {
			t.Fatal("the input was written to")
		}
		if err == nil {
			after := slices.Concat(data[:c.From], []byte(c.New), data[c.To:])
			now, err := parse(after)
			if err != nil || len(now) != len(all) {
				t.Fatalf("%q: %d entries, were %d: %v", after, len(now), len(all), err)
			}
			for i := range now {
				want := all[i].Value
				if i == int(which)%len(all) {
					want = new
				}
				if now[i].Value != want || !slices.Equal(now[i].Path, all[i].Path) {
					t.Fatalf("%q: %q is %q, want %q", after, now[i].Path, now[i].Value, want)
				}
			}
		} else if !errors.Is(err, edit.ErrCannot) {
			t.Fatal(err)
		}
		if c := e.Remove(data); c.From < 0 || c.To > len(data) || string(data[c.From:c.To]) != c.Old {
			t.Fatalf("remove: %v", c.Span)
		}
	})
}

func FuzzINI(f *testing.F) {
	fuzz(f, "ini", append(npmrcs, "[a]\nk = v # c\n  more\n\n[b]\r\nk: v\n")...)
}

func FuzzJSON(f *testing.F) {
	fuzz(f, "json", `{"a":{"b":"c"},"l":[1,"x",null,{"y":true}]}`, "\xef\xbb\xbf[\"\\u00e9\xff\", 1e5]")
}

func FuzzYAML(f *testing.F) {
	fuzz(f, "yaml", "a: b # c\nd:\n  - 'e'\n  - \"f\\n\"\n  - {g: h, i: [j]}\n", "a: |\n  b\n\n  c\nd: >-\n  e\n---\n!!str f: &x g\nh: *x\n? i\n: j\n", "\xef\xbb\xbfé: ü\r\nk: l\u0085m: n\n  o\n")
}

func FuzzTOML(f *testing.F) {
	fuzz(f, "toml", "a = 'b' # c\n[d.\"e\"]\nf.g = \"h\"\ni = [1, \"j\", {k = 'l'}]\n[[m]]\nn = \"\"\"\no\"\"\"\n[[m]]\np = '''q'''\nr = 2020-01-01\n")
}

func FuzzNetrc(f *testing.F) {
	fuzz(f, "netrc", "# c\nmachine a login b password c\ndefault password \"d \\\" e\"\r\nmacdef f\ng\n\nmachine h password i")
}

func FuzzGitCredentials(f *testing.F) {
	fuzz(f, "git", "https://u:p%40@h\n\nhttps://u%3a:p@h:1/x\r\nno\n")
}
