package edit_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/edit"
)

// last is the entries as programs see them: of those with one name the last.
func last(all []edit.Entry) map[string]string {
	m := map[string]string{}
	for _, e := range all {
		m[strings.Join(e.Path, ">")] = e.Value
	}
	return m
}

func run(t *testing.T, stdin string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, errs.String())
	}
	return string(out)
}

// npmrcs are what npm and we must read the same.
var npmrcs = []string{
	"registry=https://registry.example.com/\n//registry.example.com/:_authToken=abc\n",
	"a = b ; c\n#a=x\n  ;a=y\nc=\"d e\" \nf='g'\nh='\"i\"'\nj=\"bad\\q\"\nk=l\\;m\\#n\\o\\\\\np=\nq = ${VAR}\n\"r\"=s\n't'=u;v\nw=x=y=z\n",
	"\xef\xbb\xbfa=1\r\n\r\nb=2\rc=3\n\n\td\t=\t4\t\ne='\nf=\"\ng=''\nh=\"\"\ni=;\n=j\nk=\u00a0l\u3000\nm=\\",
	"a=1\na=2\n[a b]=c\n[ not a section\nd=e\n",
	"@scope:registry=https://h/\n//h:8080/p/:_auth=YTpi=\n//h#x:_authToken=1\nemail=a@example.com\n",
}

// TestAsNpm compares INI with the parser that npm has, before and after an edit.
func TestAsNpm(t *testing.T) {
	t.Parallel()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("needs npm: its parser is asked")
	}
	npm, err = filepath.EvalSymlinks(npm)
	if err != nil {
		t.Fatal(err)
	}
	ini := filepath.Join(filepath.Dir(npm), "../node_modules/ini")
	if _, err := os.Stat(ini); err != nil {
		t.Skip("this npm needs its parser ini elsewhere")
	}
	texts := append([]string{}, npmrcs...)
	for _, in := range npmrcs {
		for _, e := range edit.INI([]byte(in)) {
			for _, v := range []string{"new", "a b", ` "x`, "'x'", `a;b#c\d\\`, "true", "ü=[x]", `\`, ""} {
				c, err := e.Replace([]byte(in), v)
				if err != nil {
					t.Fatalf("%q in %q: %v", v, in, err)
				}
				texts = append(texts, in[:c.From]+c.New+in[c.To:])
			}
		}
	}
	list, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, string(list), "node", "-e", `const ini=require(process.argv[1]); let s=''; process.stdin.on('data',d=>s+=d).on('end',()=>console.log(JSON.stringify(JSON.parse(s).map(t=>
	Object.fromEntries(Object.entries(ini.parse(t)).map(([k,v])=>[k,String(v)]))))))`, ini)
	var want []map[string]string
	if err := json.Unmarshal([]byte(out), &want); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if d := cmp.Diff(last(edit.INI([]byte(text))), want[i]); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// TestAsPython compares INI and Netrc with the parsers that AWS's CLI, twine and
// pip have.
func TestAsPython(t *testing.T) {
	t.Parallel()
	if exec.Command("python3", "-c", "pass").Run() != nil {
		t.Skip("needs python3: its parsers are asked")
	}
	texts := []string{
		"[default]\naws_access_key_id = AKX\naws_secret_access_key=a/b+c==\nregion=x\n\n[profile b]\nsso = 1\ns3 =\n  a = 1\n  b = 2\n",
		"[a]\r\n  username: __token__\r\n  password: p;x#y=z\r\n[b]\r\npassword = %s \" ' \r\n",
		"; c\n# d\n[x]\nk=1\n  # e\n  2\nl = 3\n",
	}
	for _, in := range texts[:3] {
		for _, e := range edit.INI([]byte(in)) {
			if c, err := e.Replace([]byte(in), `n'w"=;#%[x]\`); err == nil {
				texts = append(texts, in[:c.From]+c.New+in[c.To:])
			} else {
				t.Error(err)
			}
		}
	}
	list, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, string(list), "python3", "-c", `
import sys, json, configparser
out = []
for text in json.load(sys.stdin):
    p = configparser.RawConfigParser()
    p.read_string(text)
    out.append({s + '>' + k: v for s in p.sections() for k, v in p.items(s)})
print(json.dumps(out))`)
	var want []map[string]string
	if err := json.Unmarshal([]byte(out), &want); err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		if d := cmp.Diff(last(edit.INI([]byte(text))), want[i]); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}

	machines := []string{
		"machine a login b password c\nmachine d\n\tlogin e\n\tpassword f#g\n# c\ndefault login h password \"i \\\" j\"\n",
		"machine a login b account x password c\nmacdef m\nmachine q login r password s\n\nmachine d login e password f\n",
	}
	for _, text := range machines {
		path := filepath.Join(t.TempDir(), "netrc")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out := run(t, "", "python3", "-c", "import netrc,json,sys\nprint(json.dumps({h+'>'+a[0]+'>password':a[2] for h,a in netrc.netrc(sys.argv[1]).hosts.items()}))", path)
		want := map[string]string{}
		if err := json.Unmarshal([]byte(out), &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(last(edit.Netrc([]byte(text))), want); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// TestAsGit asks git for the password that was put into its file.
func TestAsGit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git: it is asked what it reads")
	}
	in := "https://other:x@h.example.com\nhttps://a%40b:old@h.example.com\nhttps://a%40b:y@h.example.org\n"
	const new = `p@s:s/w%o"r'd é#?`
	i := 1
	c, err := edit.GitCredentials([]byte(in))[i].Replace([]byte(in), new)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(path, []byte(in[:c.From]+c.New+in[c.To:]), 0o600); err != nil {
		t.Fatal(err)
	}
	for ask, want := range map[string]string{"host=h.example.com\nusername=a@b\n": new, "host=h.example.org\nusername=a@b\n": "y", "host=h.example.com\nusername=other\n": "x"} {
		out := run(t, "protocol=https\n"+ask+"\n", "git", "credential-store", "--file", path, "get")
		if !strings.Contains(out, "password="+want+"\n") {
			t.Errorf("for %q git has %q", ask, out)
		}
	}
}
