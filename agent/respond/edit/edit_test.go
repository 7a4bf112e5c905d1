package edit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"wormbell/agent/respond/edit"
)

func ok(f func([]byte) []edit.Entry) func([]byte) ([]edit.Entry, error) {
	return func(b []byte) ([]edit.Entry, error) { return f(b), nil }
}

var parsers = map[string]func([]byte) ([]edit.Entry, error){
	"ini": ok(edit.INI), "json": edit.JSON, "yaml": edit.YAML, "toml": edit.TOML, "netrc": ok(edit.Netrc), "git": ok(edit.GitCredentials),
}

// show is entries as "path=value".
func show(all []edit.Entry) []string {
	var out []string
	for _, e := range all {
		out = append(out, strings.Join(e.Path, " > ")+"="+e.Value)
	}
	return out
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, format, in string
		want             []string
	}{
		{"npmrc", "ini", "registry=https://registry.example.com/\n; note\n# another\n//registry.example.com/:_authToken=tok;en\n//r/:_auth = \"a=\\\"b\" \n'k'='v'\nemail=\nflag\n\tindented = ${VAR}\r\nlast=a\\;b\\#c\\d",
			[]string{"registry=https://registry.example.com/", "//registry.example.com/:_authToken=tok", `//r/:_auth=a="b`, "k=v", "email=", "flag=true", "indented=${VAR}", `last=a;b#c\d`}},
		{"npmrc twice", "ini", "a=1\na=2\n", []string{"a=1", "a=2"}},
		{"npmrc mark and odd quotes", "ini", bom + "a='\nb=\"x\nc='\"in\"'\nd=\"bad\\q\"\n", []string{"a=", `b="x`, "c=in", `d="bad\q"`}},
		{"aws", "ini", "[default]\naws_access_key_id = AK\naws_secret_access_key=a/b+c=\ns3 =\n  max = 3\n  # no\n  min = 1\n\n[ profile x ] ; note\n  role: arn:aws # why\n  k = \"q\"\n",
			[]string{"default > aws_access_key_id=AK", "default > aws_secret_access_key=a/b+c=", "default > s3=\nmax = 3\nmin = 1", "profile x > role=arn:aws", `profile x > k="q"`}},
		{"pypirc", "ini", "[distutils]\nindex-servers =\n    a\n    b\n\n[a]\nusername: __token__\npassword: pypi-x;y#z\n", []string{"distutils > index-servers=\na\nb", "a > username=__token__", "a > password=pypi-x;y#z"}},
		{"carriage returns", "ini", "a=1\rb=2\r\nc=3", []string{"a=1", "b=2", "c=3"}},
		{"bytes", "ini", "k\xff=\xfe\xfd\nl=1", []string{"k\xff=\xfe\xfd", "l=1"}},

		{"json", "json", "\n{\"a\": {\"b\\n\": \"x\\u0041\\/\"}, \"l\":[1, \"two\",{\"t\":null}], \"a\":true}", []string{"a > b\n=xA/", "l > 0=1", "l > 1=two", "l > 2 > t=null", "a=true"}},
		{"json of one", "json", bom + ` "x" `, []string{"=x"}},

		{"yaml", "yaml", "# c\ngithub.com: # d\n    oauth_token: gho_x # e\n    'user': \"a\\tb\"\n    n: 1\n    none:\n    l: [a, {b: c c}, 'd''e']\n    long: one\n      two\n\n      three\n    text: |\n      1\n       2\n    fold: >-\n      x\n      y\n    ref: &a !!str v\n    same: *a\n",
			[]string{"github.com > oauth_token=gho_x", "github.com > user=a\tb", "github.com > n=1", "github.com > l > 0=a", "github.com > l > 1 > b=c c", "github.com > l > 2=d'e", "github.com > long=one two\nthree",
				"github.com > text=1\n 2\n", "github.com > fold=x y", "github.com > ref=v"}},
		{"yaml documents and characters", "yaml", bom + "é: ü\r\n---\r\n- ß: x\u2028\r\n- 'y'\r\n...\r\n", []string{"é=ü", "0 > ß=x", "1=y"}},

		{"toml", "toml", "# c\ntop = 'lit' # x\n[registry] # y\ntoken = \"a\\u0041\\\"\"\n[registries.\"my.co\"]\n token=\"x\"\nn = 1_0\nd = 2020-01-01 00:00:00 # z\nl = [ 1, # q\n  \"two\", {a = 'b', c.d = \"e\"}, ]\n[[t]]\nk = \"1\"\n[[t]]\nk = \"\"\"\n2\"\"\"\"\"\n[t.sub]\nm = '''a\nb'''\n",
			[]string{"top=lit", `registry > token=aA"`, "registries > my.co > token=x", "registries > my.co > n=1_0", "registries > my.co > d=2020-01-01 00:00:00", "registries > my.co > l > 0=1",
				"registries > my.co > l > 1=two", "registries > my.co > l > 2 > a=b", "registries > my.co > l > 2 > c > d=e", "t > 0 > k=1", "t > 1 > k=2\"\"", "t > 1 > sub > m=a\nb"}},

		{"netrc", "netrc", "# c\nmachine a login b password c # note\nmachine\tx\n\tpassword \"q \\\"w\"\n\tlogin y\r\ndefault login d password #e\nmacdef m\nmachine no login no password no\n\nmachine z password last",
			[]string{"a > b > password=c", `x > y > password=q "w`, "default > d > password=#e", "z >  > password=last"}},
		{"netrc cut short", "netrc", "machine a login b password c machine", []string{"a > b > password=c"}},

		{"git", "git", "https://u%40x:p%2fw@h.example.com:8443/p\n\nno\nhttps://u@h\nhttps://:only@h\r\nhttps://h/u:p@x\n", []string{"https://h.example.com:8443 > u@x=p/w", "https://h > =only"}},
	}
	for _, tt := range tests {
		t.Run(tt.format+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parsers[tt.format]([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(show(got), tt.want); d != "" {
				t.Error(d)
			}
			bounds(t, []byte(tt.in), got)
		})
	}
}

const bom = "\xef\xbb\xbf"

func bounds(t *testing.T, data []byte, all []edit.Entry) {
	t.Helper()
	for _, e := range all {
		if e.From < 0 || e.To < e.From || e.To > len(data) || e.Line.From > e.From || e.Line.To < e.To || e.Line.From < 0 || e.Line.To > len(data) {
			t.Fatalf("%q: value %v, line %v, of %d bytes", e.Path, e.Span, e.Line, len(data))
		}
	}
}

func TestNotValid(t *testing.T) {
	t.Parallel()
	const canary = "canary-in-a-broken-file"
	for format, in := range map[string]string{"json": `{"` + canary + `": "` + canary + `" x`, "yaml": canary + ": " + canary + ": " + canary + "\n\t- [", "toml": canary + ` = "` + canary, "yaml ": "\xff\xfe" + canary} {
		_, err := parsers[strings.TrimSpace(format)]([]byte(in))
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", format, err)
		}
	}
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, format := range []string{"json", "yaml"} {
		if _, err := parsers[format]([]byte(deep)); err == nil {
			t.Errorf("%s: so deep, and no error", format)
		}
	}
}

// with replaces the entry that is called path, a ">" between its parts.
func with(t *testing.T, format, in, path, new string) (string, error) {
	t.Helper()
	all, err := parsers[format]([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(e edit.Entry) bool { return strings.Join(e.Path, ">") == path })
	if i < 0 {
		t.Fatalf("no %q in %q", path, show(all))
	}
	c, err := all[i].Replace([]byte(in), new)
	if err != nil {
		return "", err
	}
	if in[c.From:c.To] != c.Old {
		t.Errorf("Old is %q, in the file stands %q", c.Old, in[c.From:c.To])
	}
	return in[:c.From] + c.New + in[c.To:], nil
}

func TestReplace(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, format, in, path, new, want string }{
		{"plain", "ini", "# c\r\n//h/:_authToken=old ; c\r\nb=1", "//h/:_authToken", "new", "# c\r\n//h/:_authToken=new ; c\r\nb=1"},
		{"no line break", "ini", "k = old", "k", "n=w==", "k = n=w=="},
		{"quoted stays quoted", "ini", "k=\"old\" \n", "k", `n"w`, "k=\"n\\\"w\" \n"},
		{"single stays single", "ini", "k='old'\n", "k", `new`, "k='new'\n"},
		{"escapes", "ini", "k=old\n", "k", `a;b#c`, "k=a\\;b\\#c\n"},
		{"needs quotes", "ini", "k=old\n", "k", ` x`, "k=\" x\"\n"},
		{"was empty", "ini", "k=\nl=1\n", "k", `x`, "k=x\nl=1\n"},
		{"was a flag", "ini", "k\nl=1\n", "k", `x`, "k=x\nl=1\n"},
		{"in a section nothing is quoted", "ini", "[d]\nk = old # c\n", "d>k", `a;b#c"`, "[d]\nk = a;b#c\" # c\n"},
		{"first after the mark", "ini", bom + "k=old", "k", `x`, bom + "k=x"},
		{"bytes stay", "ini", "a=\xff\nk=old\nb=\xfe", "k", `x`, "a=\xff\nk=x\nb=\xfe"},
		{"json", "json", "{ \"a\" :\t\"old\" ,\r\n\"b\":1}", "a", "n\"\n<é>", "{ \"a\" :\t\"n\\\"\\n<é>\" ,\r\n\"b\":1}"},
		{"json null", "json", `{"a":null}`, "a", "x", `{"a":"x"}`},
		{"json number", "json", `{"a":1}`, "a", "22", `{"a":22}`},
		{"yaml plain", "yaml", "h:\n  t: old # c\n  u: v\n", "h>t", "gho_new", "h:\n  t: gho_new # c\n  u: v\n"},
		{"yaml like a number", "yaml", "t: old\n", "t", "12e3", "t: \"12e3\"\n"},
		{"yaml like a comment", "yaml", "t: old\n", "t", "a #b", "t: \"a #b\"\n"},
		{"yaml single", "yaml", "t: 'old'\n", "t", "a'b: #", "t: 'a''b: #'\n"},
		{"yaml double", "yaml", "t: \"old\"\n", "t", "a\"b\n\u2028", "t: \"a\\\"b\\n\\u2028\"\n"},
		{"yaml flow", "yaml", "{t: old, u: 1}", "t", "a,b", "{t: \"a,b\", u: 1}"},
		{"yaml block", "yaml", "t: |\n  old\n\n  x\nu: 1\n", "t", "new", "t: \"new\"\nu: 1\n"},
		{"yaml several lines", "yaml", "t: old\n  old\nu: 1\n", "t", "new", "t: new\nu: 1\n"},
		{"yaml tagged", "yaml", "t: !!str 12 # c", "t", "34", "t: !!str \"34\" # c"},
		{"toml", "toml", "[r]\r\nt = \"old\" # c\r\n", "r>t", "a\"b\\", "[r]\r\nt = \"a\\\"b\\\\\" # c\r\n"},
		{"toml literal", "toml", "t = 'old'\nn = 1\n", "t", "new", "t = 'new'\nn = 1\n"},
		{"toml literal that needs more", "toml", "t = 'old'\n", "t", "a'b", "t = \"a'b\"\n"},
		{"toml lines", "toml", "t = \"\"\"\nold\"\"\"\n", "t", "new", "t = \"new\"\n"},
		{"toml number", "toml", "t = 1\n", "t", "2", "t = 2\n"},
		{"toml inline", "toml", "t = {a = 'x', b = \"old\"} # c", "t>b", "new", "t = {a = 'x', b = \"new\"} # c"},
		{"netrc", "netrc", "machine a\n  login b\n  password old # c\n", "a>b>password", "n#w", "machine a\n  login b\n  password n#w # c\n"},
		{"netrc quoted", "netrc", "machine a login b password \"old\"", "a>b>password", "n \"w\n", "machine a login b password \"n \\\"w\\n\""},
		{"git", "git", "https://u:old@h\r\nhttps://v:x@h", "https://h>u", "p@/:%", "https://u:p%40%2f%3a%25@h\r\nhttps://v:x@h"},
	}
	for _, tt := range tests {
		t.Run(tt.format+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := with(t, tt.format, tt.in, tt.path, tt.new)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Error(d)
			}
			judge(t, tt.format, tt.in, got, tt.path, tt.new)
		})
	}
}

// judge asks the parsers that programs use whether only the value changed.
func judge(t *testing.T, format, before, after, path, new string) {
	t.Helper()
	decode := map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": yaml.Unmarshal, "toml": toml.Unmarshal}[format]
	if decode == nil {
		return // compared with the programs themselves in TestAsPrograms
	}
	var a, b any
	if err := errors.Join(decode([]byte(before), &a), decode([]byte(after), &b)); err != nil {
		t.Fatal(err)
	}
	keys := strings.Split(path, ">")
	last := keys[len(keys)-1]
	parent := func(v any) map[string]any {
		for _, k := range keys[:len(keys)-1] {
			v = v.(map[string]any)[k]
		}
		return v.(map[string]any)
	}
	if got, ok := parent(b)[last].(string); ok && got != new || fmt.Sprint(parent(b)[last]) != new {
		t.Errorf("it is %v", parent(b)[last])
	}
	parent(b)[last] = parent(a)[last]
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("something else changed: %s", d)
	}
}

func TestReplaceRefuses(t *testing.T) {
	t.Parallel()
	const canary = "canary-value"
	tests := []struct{ name, format, in, path, new string }{
		{"a line break", "ini", "k=" + canary + "\n", "k", canary + "\nevil=1"},
		{"a line break in a section", "ini", "[s]\nk=" + canary + "\n", "s>k", canary + "\nevil=1"},
		{"blanks in a section", "ini", "[s]\nk=" + canary + "\n", "s>k", " " + canary},
		{"a comment in a section", "ini", "[s]\nk=" + canary + "\n", "s>k", canary + " # x"},
		{"blanks in a netrc file", "netrc", "machine a password " + canary, "a>>password", canary + " login evil"},
		{"nothing in a netrc file", "netrc", "machine a login b password " + canary + "\nmachine c", "a>b>password", ""},
		{"a quote in a netrc file", "netrc", "machine a login b password " + canary, "a>b>password", "\"" + canary + "\""},
	}
	for _, tt := range tests {
		t.Run(tt.format+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := with(t, tt.format, tt.in, tt.path, tt.new)
			if !errors.Is(err, edit.ErrCannot) {
				t.Fatalf("%q, %v", got, err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error tells the value: %v", err)
			}
		})
	}
	e := edit.INI([]byte("k=old\n"))[0]
	if _, err := e.Replace([]byte("k=other\n"), "new"); !errors.Is(err, edit.ErrChanged) {
		t.Errorf("another file: %v", err)
	}
	if _, err := (edit.Entry{}).Replace([]byte("k=old"), "new"); err == nil {
		t.Error("an entry of nobody's was replaced")
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, format, in, path, want string }{
		{"line", "ini", "a=1\r\n  k = x ; c\r\nb=2", "k", "a=1\r\nb=2"},
		{"last line", "ini", "a=1\nk=x", "k", "a=1\n"},
		{"after the mark", "ini", bom + "k=x\na=1", "k", bom + "a=1"},
		{"with what continues it", "ini", "[s]\na=1\nk = x\n  y\nb=2\n", "s>k", "[s]\na=1\nb=2\n"},
		{"json first", "json", `{"k": "x", "b": 2}`, "k", `{"b": 2}`},
		{"json last", "json", "{\n  \"a\": 1,\n  \"k\": \"x\"\n}\n", "k", "{\n  \"a\": 1\n}\n"},
		{"json middle", "json", "{\n  \"a\": 1,\n  \"k\": \"x\",\n  \"b\": 2\n}\n", "k", "{\n  \"a\": 1,\n  \"b\": 2\n}\n"},
		{"json only", "json", `{"k": "x" }`, "k", `{ }`},
		{"json would renumber a list", "json", `["x","y"]`, "0", `["","y"]`},
		{"yaml", "yaml", "h:\n  k: x # c\n  b: 2\n", "h>k", "h:\n  b: 2\n"},
		{"yaml only", "yaml", "h:\n  k: x\nb: 2\n", "h>k", "h:\nb: 2\n"},
		{"yaml flow", "yaml", "{k: x, b: 2}", "k", "{k: , b: 2}"},
		{"yaml block", "yaml", "k: |\n  x\n  y\nb: 2\n", "k", "b: 2\n"},
		{"toml", "toml", "[t]\n  k = \"x\" # c\nb = 2\n", "t>k", "[t]\nb = 2\n"},
		{"toml inline", "toml", "t = {k = 'x', b = 2}\n", "t>k", "t = {k = '', b = 2}\n"},
		{"netrc machine", "netrc", "machine a login b password c\nmachine k\n login l\n password x\nmachine d password e\n", "k>l>password", "machine a login b password c\nmachine d password e\n"},
		{"netrc line of several", "netrc", "machine a password b machine k password x machine d password e", "k>>password", "machine a password b  machine d password e"},
		{"git", "git", "https://a:b@h\nhttps://k:x@h\nhttps://c:d@h\n", "https://h>k", "https://a:b@h\nhttps://c:d@h\n"},
	}
	for _, tt := range tests {
		t.Run(tt.format+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			all, err := parsers[tt.format]([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(all, func(e edit.Entry) bool { return strings.Join(e.Path, ">") == tt.path })
			c := all[i].Remove([]byte(tt.in))
			if d := cmp.Diff(tt.in[:c.From]+c.New+tt.in[c.To:], tt.want); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRemoveAll(t *testing.T) {
	t.Parallel()
	tests := []struct{ format, in, want string }{
		{"json", `{"a":"1","k":"2","b":"3","k":"4"}`, `{"a":"1","b":"3"}`},
		{"json", `{"k":"1","k":"2"}`, `{}`},
		{"json", "{\n\t\"k\": 1,\n\t\"a\": 2,\n\t\"k\": 3,\n\t\"k\": 4\n}", "{\n\t\"a\": 2\n}"},
		{"ini", "k=1\na=2\nk=3\n", "a=2\n"},
		{"netrc", "machine k login x password 1 password 2\nmachine b password c\n", "machine b password c\n"},
	}
	for _, tt := range tests {
		all, err := parsers[tt.format]([]byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		got := tt.in
		for _, c := range edit.RemoveAll([]byte(tt.in), slices.DeleteFunc(all, func(e edit.Entry) bool { return !slices.Contains(e.Path, "k") })) {
			got = got[:c.From] + c.New + got[c.To:]
		}
		if d := cmp.Diff(got, tt.want); d != "" {
			t.Error(d)
		}
	}
}
