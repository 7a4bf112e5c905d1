package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"wormbell"
)

// private holds manifests and what npm makes of `private` in them.
var private = map[string]bool{
	`{"private":true}`:                          true,
	`{"private":false}`:                         false,
	`{"private":null}`:                          false,
	`{"private":"true"}`:                        true,
	`{"private":"false"}`:                       true,
	`{"private":" "}`:                           true,
	`{"private":""}`:                            false,
	`{"private":0}`:                             false,
	`{"private":-0}`:                            false,
	`{"private":0.0e5}`:                         false,
	`{"private":1e-400}`:                        false,
	`{"private":1e400}`:                         true,
	`{"private":-1}`:                            true,
	`{"private":0.5}`:                           true,
	`{"private":{}}`:                            true,
	`{"private":[]}`:                            true,
	`{"private":{"private":false}}`:             true,
	`{"x":{"private":true}}`:                    false,
	`{}`:                                        false,
	`{"Private":true}`:                          false,
	`{"PRIVATE":true,"private":false}`:          false,
	`{"private":true,"private":false}`:          false,
	`{"private":false,"private":true}`:          true,
	`{"priv\u0061te":true}`:                     true,
	`{"private":true,"\u0070rivate":0}`:         false,
	"\xef\xbb\xbf{\"private\":true}":            true,
	" \t\r\n{ \"private\" : true } \n":          true,
	"{\"x\":\"\xff\xfe\",\"private\":true}":     true,
	`{"private":"\u0000"}`:                      true,
	`{"x":"\ud800","private":1}`:                true,
	`{"x":"\"private\":true"}`:                  false,
	`{"__proto__":{"private":true}}`:            false, // JSON.parse makes it an own property
	`{"scripts":{"a":[{"b":"}"}]},"private":1}`: true,
}

func TestPrivateIsWhatJavaScriptHoldsForTrue(t *testing.T) {
	t.Parallel()
	for in, want := range private {
		m, err := Parse([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		} else if m.Private != want {
			t.Errorf("%q: private is %v, want %v", in, m.Private, want)
		}
	}
}

// The table is held to the real thing, decoded and stripped of its byte order
// mark the way npm does.
func TestNodeAgrees(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on this machine")
	}
	var in [][]byte
	var want []bool
	for s, w := range private {
		in, want = append(in, []byte(s)), append(want, w)
	}
	arg, err := json.Marshal(in) // as base64
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, "-e", `
		const strip = b => Buffer.from(b, "base64").toString("utf8").replace(/^\uFEFF/, "")
		console.log(JSON.stringify(JSON.parse(process.argv[1]).map(b => !!JSON.parse(strip(b)).private)))`, string(arg)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []bool
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for i, s := range in {
		if got[i] != want[i] {
			t.Errorf("%q: node says %v", s, got[i])
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 400)
	for in, want := range map[string]*wormbell.Manifest{
		`{"name":"a","version":"1.0.0","private":true}`: {Name: "a", Version: "1.0.0", Private: true},
		`{"name":" a\n","version":" v1 "}`:              {Name: "a", Version: "v1"},
		`{"name":1,"version":[]}`:                       {},
		`{"name":"a\"\\\u00e9"}`:                        {Name: `a"\é`},
		`{"name":"a","name":"b"}`:                       {Name: "b"},
		"{\"name\":\"\xff\"}":                           {Name: "\ufffd"},
		`{"name":"` + long + `"}`:                       {Name: long[:256]},
	} {
		got, err := Parse([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: -want +got\n%s", in, d)
		}
	}
	for _, in := range []string{"", " ", "{", `{"a"}`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `{"a":01}`, `{"a":+1}`, `{"a":1.}`, `{"a":.5}`, `{"a":NaN}`,
		`{"a":tru}`, `{"a":"` + "\n" + `"}`, `{"a":"\x41"}`, `{"a":"\u00g0"}`, `{} {}`, `{}x`, "{}\x00", `{"a":[1}`, `{"a":{"b":1]}`, `// c
{}`, "\xef\xbb\xbf\xef\xbb\xbf{}", "{\u00a0}", `{"private":tr`} {
		if m, err := Parse([]byte(in)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v", in, m, err)
		}
	}
	for _, in := range []string{"[]", "null", `"x"`, "1", "true", `[{"private":true}]`} {
		if m, err := Parse([]byte(in)); !errors.Is(err, ErrNotObject) {
			t.Errorf("%q: %v, %v", in, m, err)
		}
	}
}

// encoding/json gives up at 10,000 levels, node does not: whoever hides
// `private` behind that many brackets is seen all the same.
func TestDepthHidesNothing(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)
	start := time.Now()
	m, err := Parse([]byte(`{"x":` + deep + `,"private":true}`))
	if err != nil || !m.Private {
		t.Errorf("got %v, %v", m, err)
	}
	if d := time.Since(start); d > 10*time.Second { // some milliseconds, were the machine ours alone
		t.Errorf("took %v", d)
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	type answer struct {
		Modules, Name string
		OK            bool
	}
	for path, want := range map[string]answer{
		"/h/p/package.json":                                                  {},
		"/h/p/node_modules/package.json":                                     {},
		"/h/p/node_modules/a/package.json":                                   {"/h/p/node_modules", "a", true},
		"/h/p/node_modules/a/lib/package.json":                               {},
		"/h/p/node_modules/@s/package.json":                                  {},
		"/h/p/node_modules/@s/a/package.json":                                {"/h/p/node_modules", "@s/a", true},
		"/h/p/node_modules/a/node_modules/b/package.json":                    {"/h/p/node_modules/a/node_modules", "b", true},
		"/h/p/node_modules/.pnpm/a@1/node_modules/a/package.json":            {"/h/p/node_modules/.pnpm/a@1/node_modules", "a", true},
		"/h/p/node_modules/.a-XyZ/package.json":                              {},
		"/h/p/node_modules/a\nb/package.json":                                {"/h/p/node_modules", "a\nb", true},
		"/h/p/node_modules/a/index.js":                                       {},
		"/h/p/node_modules/@s/a/node_modules/@t/b/package.json":              {"/h/p/node_modules/@s/a/node_modules", "@t/b", true},
		"/h/p/node_modules/.pnpm/@s+a@1/node_modules/@s/a/dist/package.json": {},
	} {
		m, n, ok := Root(path)
		if d := cmp.Diff(want, answer{m, n, ok}); d != "" {
			t.Errorf("%q: -want +got\n%s", path, d)
		}
	}
}

// TestScripts: what a script runs counts, not how the manifest is laid out; the
// last "scripts" counts, as it does for npm; beyond what is kept apart nothing is lost.
func TestScripts(t *testing.T) {
	t.Parallel()
	many := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"s%d":"x",`, i)
		}
		return `{"scripts":{` + b.String() + `"last":"` + last + `"}}`
	}
	for name, tt := range map[string]struct {
		was, is string
		want    []string
	}{
		"same, laid out anew": {`{"scripts":{"a":"x","b":"y"}}`, "{ \"scripts\" : {\n\"b\" : \"y\", \"a\":\t\"x\" } }", nil},
		"another command":     {`{"scripts":{"a":"x","b":"y"}}`, `{"scripts":{"a":"x","b":"z"}}`, []string{"b"}},
		"commands swapped":    {`{"scripts":{"a":"x","b":"y"}}`, `{"scripts":{"a":"y","b":"x"}}`, []string{"a", "b"}},
		"one more":            {`{}`, "\xef\xbb\xbf" + `{"scripts":{"postinstall":"x"}}`, []string{"postinstall"}},
		"fewer":               {`{"scripts":{"a":"x","b":"y"}}`, `{"scripts":{"a":"x"}}`, nil},
		"twice":               {`{"scripts":{"a":"x"}}`, `{"scripts":{"a":"x"},"scripts":{"a":"y"}}`, []string{"a"}},
		"escaped":             {`{}`, `{"\u0073cripts":{"p\u0072e":"x"}}`, []string{"pre"}},
		"no object":           {`{}`, `{"scripts":["x"]}`, nil},
		"no manifest":         {`{}`, `[]`, nil},
		"the last of many":    {many(100, "x"), many(100, "y"), []string{others}},
		"a long name":         {`{}`, `{"scripts":{"` + strings.Repeat("ä", 100) + `":"x"}}`, []string{strings.Repeat("ä", 32)}},
		"in another object":   {`{}`, `{"x":{"scripts":{"a":"y"}}}`, nil},
	} {
		if got := Changed(Sums(Scripts([]byte(tt.was))), Scripts([]byte(tt.is))); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// FuzzParse holds Parse to encoding/json, where the two are meant to agree.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"scripts":{"a":"b","c":{}},"scripts":{"\u00e4":1}}`, `{"name":"a","version":"1","private":true}`, `{"private":1e-400}`, "\xef\xbb\xbf{}", `{"a":[{"b":[]},1.5e3,"\ud800"]}`, `[`, `{"a":"`, "{\"name\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err == nil && (!utf8.ValidString(m.Name) || !utf8.ValidString(m.Version) || len(m.Name) > maxText) {
			t.Errorf("manifest %+v", *m)
		}
		scripts := Scripts(b)
		names := Changed(nil, scripts)
		if len(scripts) > maxScripts+1 || len(names) > maxChanged || len(Changed(Sums(scripts), scripts)) > 0 {
			t.Errorf("%d scripts, %d changed", len(scripts), len(names))
		}
		for _, n := range names {
			if !utf8.ValidString(n) || len(n) > maxScriptName {
				t.Errorf("the name %q", n)
			}
		}
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		if valid := json.Valid(b); valid != (err == nil || errors.Is(err, ErrNotObject)) {
			t.Fatalf("%q: encoding/json accepts: %v, we: %v", b, valid, err)
		}
		if err != nil {
			return
		}
		var o map[string]any
		if err := json.Unmarshal(b, &o); err != nil {
			return // a number out of range
		}
		want := false
		switch v := o["private"].(type) {
		case nil:
		case bool:
			want = v
		case string:
			want = v != ""
		case float64:
			want = v != 0
		default:
			want = true
		}
		if m.Private != want {
			t.Errorf("%q: private is %v, want %v", b, m.Private, want)
		}
	})
}
