package respond

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
	"wormbell/internal/stores"
)

// dataMachine is a machine that has a sample.
func dataMachine(t *testing.T, d dataSample, value, also string) *Machine {
	t.Helper()
	m := testMachine(t)
	m.Getenv = func(name string) string { // "/~" stands for the home
		return strings.NewReplacer("/~/", m.Home+"/", "|", string(os.PathListSeparator)).Replace(d.env[name])
	}
	testPut(t, m, d.path, d.file(value, also))
	return m
}

// file is what a sample's file holds.
func (d dataSample) file(value, also string) string {
	if d.wrap != nil {
		value = d.wrap(value)
	}
	return strings.ReplaceAll(strings.ReplaceAll(d.text, "TOKEN", value), "ALSO", also)
}

func dataKind(t *testing.T, id string) Kind {
	t.Helper()
	kinds := dataKinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		t.Fatalf("there is no kind %q", id)
	}
	return kinds[i]
}

// TestDataRows: what must be true of every row, whatever it holds.
func TestDataRows(t *testing.T) {
	t.Parallel()
	paste := dataPaste()
	for _, k := range dataKinds() {
		if strings.ToLower(k.ID) != k.ID || strings.ContainsAny(k.ID, "_ .") || k.Title == "" {
			t.Errorf("%s: its ID or title will not do", k.ID)
		}
		for _, s := range k.Stores {
			if stores.ByID(s) == nil {
				t.Errorf("%s: there is no store %q", k.ID, s)
			}
		}
		if k.Find == nil || k.Identify == nil || k.Pages == nil || k.Fits == nil || (k.Install == nil) != (k.Forget == nil) {
			t.Errorf("%s lacks a func that every row has", k.ID)
		}
		for _, old := range []Token{{Kind: k.ID}, {Kind: k.ID, Facts: Facts{"login": "run it"}, Site: "https://service.example.com"}} {
			pages := k.Pages(old)
			if len(pages) < 2 {
				t.Errorf("%s has %d pages, want one to revoke and one to make a new one", k.ID, len(pages))
			}
			for _, p := range pages {
				if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" || u.Host == "" || p.Title == "" || len(p.Steps) == 0 {
					t.Errorf("%s: page %+v", k.ID, p)
				}
				if all := p.URL + p.Title + strings.Join(p.Steps, ""); strings.ContainsAny(all, "{}\n") {
					t.Errorf("%s: page %q has something unfilled", k.ID, p.Title)
				}
			}
		}
		if paste[k.ID] == nil || !slices.ContainsFunc(dataSamples(), func(d dataSample) bool { return d.id == k.ID }) && k.ID != "ssh" {
			t.Errorf("%s has no sample", k.ID)
			continue
		}
		for id, mint := range paste {
			if got, want := k.Fits(mint()), id == k.ID; got != want {
				t.Errorf("%s: Fits of a token of %s = %v", k.ID, id, got)
			}
		}
		for _, bad := range []string{"", "npm_" + testRandom(36), "ghp_" + testRandom(36), "two words", paste[k.ID]() + "\nx y"} {
			if k.Fits(bad) && !(k.ID == "ssh" && strings.HasPrefix(bad, "-----")) {
				t.Errorf("%s: Fits takes what is none: %d letters", k.ID, len(bad))
			}
		}
	}
	for _, k := range dataKinds() {
		if n := len(slices.DeleteFunc(dataKinds(), func(o Kind) bool { return o.ID != k.ID })); n != 1 {
			t.Errorf("%d rows are called %s", n, k.ID)
		}
	}
}

// TestDataFiles: each row finds its token where it stands, changes nothing but
// its value, and removes it.
func TestDataFiles(t *testing.T) {
	t.Parallel()
	for i, d := range dataSamples() {
		t.Run(fmt.Sprintf("%d %s %s", i, d.id, d.key), func(t *testing.T) {
			t.Parallel()
			k := dataKind(t, d.id)
			old, also, fresh := d.mint(), testRandom(60), d.mint()
			m := dataMachine(t, d, old, also)
			ctx := t.Context()

			found, err := k.Find(ctx, m, nil)
			if err != nil || len(found) != 1 {
				t.Fatalf("Find: %d tokens, %v", len(found), err)
			}
			f := found[0]
			if f.Kind != d.id || f.Name != d.name || f.Value.Reveal() != old || (f.Site != "") != d.site ||
				(f.Facts["login"] != "") != d.login || f.Places[0] != (Place{Path: d.path, Key: d.key}) || f.Owner != d.owner {
				t.Errorf("Find: %+v", f)
			}
			if strings.Contains(d.text, "ALSO") && (len(f.Also) == 0 || len(f.Places) < 2) {
				t.Errorf("what belongs to it is missing: %+v", f)
			}
			if again, err := k.Find(ctx, m, []string{"~/other"}); err != nil || len(again) != 0 {
				t.Errorf("Find opens what it may not: %d tokens, %v", len(again), err)
			}

			next := f
			next.Value = secret.Of(fresh)
			before := testText(t, m, d.path)
			err = k.Install(ctx, m, f, next)
			if d.login {
				if !errors.Is(err, ErrNotPossible) || testText(t, m, d.path) != before {
					t.Errorf("Install of a login: %v", err)
				}
				testPut(t, m, d.path, d.file(fresh, also)) // as the tool does
				if err := k.Install(ctx, m, f, next); err != nil {
					t.Errorf("Install of what is there: %v", err)
				}
			} else {
				if err != nil {
					t.Fatalf("Install: %v", err)
				}
				if diff := cmp.Diff(d.file("NEW", also), strings.ReplaceAll(testText(t, m, d.path), d.shown(fresh), d.shown("NEW"))); diff != "" {
					t.Errorf("Install changed more than the value (-want +got):\n%s", diff)
				}
				if err := k.Install(ctx, m, f, next); err != nil {
					t.Errorf("Install again: %v", err)
				}
			}
			refound, err := k.Find(ctx, m, nil)
			if err != nil || len(refound) != 1 || refound[0].Value.Reveal() != fresh {
				t.Fatalf("Find after Install: %d tokens, %v", len(refound), err)
			}

			// What holds a third value is nobody's to change.
			held := testText(t, m, d.path)
			other := f
			other.Value = secret.Of(d.mint())
			if err := k.Install(ctx, m, f, other); !errors.Is(err, edit.ErrChanged) && !(d.login && errors.Is(err, ErrNotPossible)) {
				t.Errorf("Install over a third value: %v", err)
			}
			if err := k.Forget(ctx, m, f); err != nil && !d.login {
				t.Errorf("Forget of what is not there: %v", err)
			}
			if now := testText(t, m, d.path); now != held && !strings.Contains(d.text, "ALSO") {
				t.Errorf("a third value was touched:\n%s", cmp.Diff(held, now))
			}

			testPut(t, m, d.path, held)
			if err := k.Forget(ctx, m, refound[0]); err != nil {
				t.Fatalf("Forget: %v", err)
			}
			left := testText(t, m, d.path)
			if strings.Contains(left, d.shown(fresh)) || strings.Contains(d.text, "ALSO") && strings.Contains(left, also) {
				t.Error("Forget left a secret")
			}
			if gone, err := k.Find(ctx, m, nil); err != nil || len(gone) != 0 {
				t.Errorf("Find after Forget: %d tokens, %v", len(gone), err)
			}
			if err := k.Forget(ctx, m, refound[0]); err != nil {
				t.Errorf("Forget again: %v", err)
			}
			if err := os.Remove(m.Abs(d.path)); err != nil {
				t.Fatal(err)
			}
			if err := k.Forget(ctx, m, refound[0]); err != nil {
				t.Errorf("Forget without the file: %v", err)
			}
			if err := k.Install(ctx, m, f, next); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Install without the file: %v", err)
			}
			testShows(t, m, []string{old, fresh, also}, err)
		})
	}
}

// shown is how a value stands in the file.
func (d dataSample) shown(value string) string {
	if d.wrap != nil {
		return d.wrap(value)
	}
	return value
}

// TestDataFindsNothing: files that are not what they should be.
func TestDataFindsNothing(t *testing.T) {
	t.Parallel()
	for i, d := range dataSamples() {
		t.Run(fmt.Sprintf("%d %s", i, d.id), func(t *testing.T) {
			t.Parallel()
			k := dataKind(t, d.id)
			canary := d.mint()
			m := dataMachine(t, d, canary, "")
			if err := os.Remove(m.Abs(d.path)); err != nil {
				t.Fatal(err)
			}
			if found, err := k.Find(t.Context(), m, nil); err != nil || len(found) != 0 {
				t.Errorf("Find without files: %d tokens, %v", len(found), err)
			}
			for _, text := range []string{"", "\n", "null", "{", "[[[", "\x00\xff", d.file("${SOME_VARIABLE}", ""), "{\"" + canary} {
				testPut(t, m, d.path, text)
				found, err := k.Find(t.Context(), m, nil)
				if err != nil && !errors.Is(err, ErrPartly) {
					t.Errorf("Find in %d bytes of rubbish: %v", len(text), err)
				}
				for _, f := range found {
					if !strings.Contains(text, f.Value.Reveal()) || strings.Contains(f.Value.Reveal(), "${") {
						t.Errorf("Find in rubbish: %+v", f)
					}
				}
				testShows(t, m, []string{canary}, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := k.Find(ctx, m, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("Find that was called off: %v", err)
			}
			if err := os.Remove(m.Abs(d.path)); err != nil {
				t.Fatal(err)
			}
			if err := dataFIFO(m.Abs(d.path)); err != nil {
				t.Skip("no named pipes here: ", err)
			}
			if found, err := k.Find(t.Context(), m, nil); !errors.Is(err, ErrPartly) || len(found) != 0 { // and it came back
				t.Errorf("Find in a pipe: %d tokens, %v", len(found), err)
			}
		})
	}
}

// TestDataSeveral: one value in two files is one token, and two values of one
// name are two.
func TestDataSeveral(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	same, other := "hf_"+testRandom(34), "hf_"+testRandom(34)
	testPut(t, m, "~/.cache/huggingface/token", same)
	testPut(t, m, "~/.cache/huggingface/stored_tokens", "[a]\nhf_token = "+same+"\n[b]\nhf_token = "+other+"\n")
	testPut(t, m, "~/.huggingface/token", other)
	k := dataKind(t, "huggingface")
	found, err := k.Find(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, f := range found {
		for _, p := range f.Places {
			got[f.Name] = append(got[f.Name], p.String())
		}
	}
	want := map[string][]string{
		"huggingface:token": {"~/.cache/huggingface/token token", "~/.cache/huggingface/stored_tokens a.hf_token"},
		"huggingface:b":     {"~/.cache/huggingface/stored_tokens b.hf_token", "~/.huggingface/token token"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	next := found[0]
	next.Value = secret.Of("hf_" + testRandom(34))
	if err := k.Install(t.Context(), m, found[0], next); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"~/.cache/huggingface/token", "~/.cache/huggingface/stored_tokens"} {
		if s := testText(t, m, p); !strings.Contains(s, next.Value.Reveal()) || strings.Contains(s, same) {
			t.Errorf("%s was not written", p)
		}
	}

	testPut(t, m, "~/.azure/service_principal_entries.json", `[{"client_id":"one","client_secret":"aaaaaaaaaaaa"},{"client_id":"one","client_secret":"bbbbbbbbbbbb"}]`)
	found, err = dataKind(t, "azure").Find(t.Context(), m, nil)
	if err != nil || len(found) != 2 || found[0].Name != "azure:one" || found[1].Name != "azure:one#2" {
		t.Errorf("two of one name: %+v, %v", found, err)
	}
}

// TestDataOtherEnvironment: a rotation that goes on where the environment is
// another finds its places all the same.
func TestDataOtherEnvironment(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	m.Getenv = func(name string) string { return map[string]string{"KUBECONFIG": m.Abs("~/a.yaml")}[name] }
	old := testRandom(40)
	testPut(t, m, "~/a.yaml", "users:\n- name: a\n  user:\n    token: "+old+"\n")
	k := dataKind(t, "kube")
	found, err := k.Find(t.Context(), m, nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d tokens, %v", len(found), err)
	}
	m.Getenv = func(string) string { return "" }
	next := found[0]
	next.Value = secret.Of(testRandom(40))
	if err := k.Install(t.Context(), m, found[0], next); err != nil || !strings.Contains(testText(t, m, "~/a.yaml"), next.Value.Reveal()) {
		t.Errorf("Install: %v", err)
	}
	if err := k.Forget(t.Context(), m, next); err != nil || strings.Contains(testText(t, m, "~/a.yaml"), next.Value.Reveal()) {
		t.Errorf("Forget: %v", err)
	}
}

// TestDataHostileNames: what a file says must not become part of a command.
func TestDataHostileNames(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	testPut(t, m, "~/.azure/service_principal_entries.json", `[{"client_id":"x; rm -rf ~ #$(id)`+"\\u001b[2J"+`","client_secret":"aaaaaaaaaaaa"}]`)
	k := dataKind(t, "azure")
	found, err := k.Find(t.Context(), m, nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d tokens, %v", len(found), err)
	}
	var all strings.Builder
	for _, p := range k.Pages(found[0]) {
		fmt.Fprint(&all, p.URL, p.Steps)
	}
	if s := all.String() + found[0].Name; strings.ContainsAny(s, "\x1b$`~#") && strings.Contains(s, "rm -rf ~") || strings.ContainsAny(s, "\x1b$`") || !strings.Contains(s, "x__rm_-rf") {
		t.Errorf("%q", s)
	}
}

// TestDataUnheld: what has no value here is listed all the same.
func TestDataUnheld(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	testPut(t, m, "~/.docker/config.json", `{"auths":{"https://index.docker.io/v1/":{}},"credsStore":"osxkeychain"}`)
	testPut(t, m, "~/.kube/config", "users:\n- name: eks\n  user:\n    exec:\n      command: aws\n      args: [eks, get-token]\n- name: file\n  user:\n    tokenFile: /run/token\n")
	found, err := Unheld(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name)
		if f.Note == "" || f.Site != "" || !f.Value.Empty() {
			t.Errorf("%+v", f)
		}
		id, err := dataKind(t, f.Kind).Identify(t.Context(), m, f)
		if err != nil || id.Answer != CouldNotTell || id.Note == "" {
			t.Errorf("%s: %+v, %v", f.Name, id, err)
		}
	}
	if diff := cmp.Diff([]string{"docker-hub:helper", "kube:file", "kube:eks"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDataLogsInAgain: a login is renewed by its tool, which a person runs.
func TestDataLogsInAgain(t *testing.T) {
	t.Parallel()
	for i, d := range dataSamples() {
		if !d.login {
			continue
		}
		t.Run(fmt.Sprintf("%d %s", i, d.id), func(t *testing.T) {
			t.Parallel()
			k := dataKind(t, d.id)
			old, fresh := d.mint(), d.mint()
			m := dataMachine(t, d, old, testRandom(40))
			found, err := k.Find(t.Context(), m, nil)
			if err != nil || len(found) != 1 {
				t.Fatalf("%d tokens, %v", len(found), err)
			}
			testPersonAt(m)
			if _, err := k.Create(t.Context(), m, found[0], "label"); !errors.Is(err, ErrNobody) {
				t.Errorf("with nobody there: %v", err)
			}
			testPersonAt(m, false)
			if _, err := k.Create(t.Context(), m, found[0], "label"); !errors.Is(err, ErrNobody) {
				t.Errorf("with a person who does not: %v", err)
			}
			testPersonAt(m, true)
			if _, err := k.Create(t.Context(), m, found[0], "label"); !errors.Is(err, ErrNobody) {
				t.Errorf("with the old login still there: %v", err)
			}
			if found, err := k.Lost(t.Context(), m, found[0], "label"); found || err != nil {
				t.Errorf("Lost: %v, %v", found, err)
			}
			p := testPersonAt(m, func() any {
				testPut(t, m, d.path, d.file(fresh, testRandom(40)))
				return true
			})
			made, err := k.Create(t.Context(), m, found[0], "label")
			if err != nil || made.Value.Reveal() != fresh || made.Name != found[0].Name {
				t.Fatalf("Create: %+v, %v", made, err)
			}
			if !strings.Contains(strings.Join(p.said(), " "), found[0].Facts["login"]) {
				t.Errorf("the person was told %q", p.said())
			}
			if err := k.Install(t.Context(), m, found[0], made); err != nil {
				t.Errorf("Install: %v", err)
			}
			if text := testText(t, m, d.path); !strings.Contains(text, fresh) {
				t.Error("Install lost the login")
			}
			testShows(t, m, []string{old, fresh}, err)
		})
	}
}

// TestDataNobodyToAsk: rows without calls say so, and never that a token is dead.
func TestDataNobodyToAsk(t *testing.T) {
	t.Parallel()
	for i, d := range dataSamples() {
		if d.site {
			continue
		}
		t.Run(fmt.Sprintf("%d %s", i, d.id), func(t *testing.T) {
			t.Parallel()
			k := dataKind(t, d.id)
			m := dataMachine(t, d, d.mint(), testRandom(40)) // which reaches nobody
			found, err := k.Find(t.Context(), m, nil)
			if err != nil || len(found) != 1 {
				t.Fatalf("%d tokens, %v", len(found), err)
			}
			id, err := k.Identify(t.Context(), m, found[0])
			if err != nil || id.Answer != CouldNotTell || id.Note == "" {
				t.Errorf("Identify: %+v, %v", id, err)
			}
			if k.Revoke != nil {
				if err := k.Revoke(t.Context(), m, found[0], Token{}); !errors.Is(err, ErrNotPossible) {
					t.Errorf("Revoke: %v", err)
				}
			}
			if k.Create != nil && !d.login {
				if _, err := k.Create(t.Context(), m, found[0], "label"); !errors.Is(err, ErrNotPossible) {
					t.Errorf("Create: %v", err)
				}
			}
		})
	}
}
