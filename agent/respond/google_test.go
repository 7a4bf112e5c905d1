package respond

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func googleServe(t *testing.T, m *Machine, f *googleFake) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	m.Sites["google"], m.Sites["google-sa"] = server.URL, server.URL
}

const googleADC = "~/.config/gcloud/application_default_credentials.json"

// googlePut writes alice's application-default login and finds it.
func googlePut(t *testing.T, m *Machine, f *googleFake) Token {
	t.Helper()
	l := &googleFakeLogin{client: "764086051850.apps.example.com", secret: f.mint("d-", 22), email: "alice@example.com",
		scopes: "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/sqlservice.login"}
	refresh := f.mint("1//0", 100)
	f.mu.Lock()
	f.logins[refresh] = l
	f.mu.Unlock()
	data, _ := json.MarshalIndent(map[string]string{"account": "", "client_id": l.client, "client_secret": l.secret, "quota_project_id": "proj-1",
		"refresh_token": refresh, "type": "authorized_user", "universe_domain": "googleapis.com"}, "", "  ")
	testPut(t, m, googleADC, string(data))
	found, err := googleFind(t.Context(), m, []string{googleADC})
	if err != nil || len(found) != 1 || found[0].Value.Reveal() != refresh || found[0].Name != "google:application-default" {
		t.Fatalf("%v %+v", err, found)
	}
	return found[0]
}

func TestGoogleFind(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	adc := googlePut(t, m, f)
	bob := f.mint("1//0", 100)
	testPut(t, m, "~/.config/gcloud/legacy_credentials/bob@example.com/adc.json", `{"type":"authorized_user","client_id":"x","client_secret":"y","refresh_token":"`+bob+`"}`)
	testPut(t, m, "~/.config/gcloud/legacy_credentials/carol@example.com/adc.json", `{"type":"authorized_user","client_id":"x","client_secret":"y","refresh_token":"`+adc.Value.Reveal()+`"}`)
	testPut(t, m, "~/.config/gcloud/legacy_credentials/broken/adc.json", `{"refresh_token":"`+bob)
	id, file := f.add()
	testPut(t, m, "~/.config/gcloud/legacy_credentials/"+googleFakeEmail+"/adc.json", file)
	testPut(t, m, "~/keys/robot.json", `{"type":"impersonated_service_account","service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken","source_credentials":{"type":"authorized_user","client_id":"x","client_secret":"y","refresh_token":"`+bob+`x"}}`)
	m.Getenv = func(name string) string {
		return map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(m.Home, "keys/robot.json")}[name]
	}
	show := func(find func(context.Context, *Machine, []string) ([]Token, error), paths []string) (lines []string) {
		found, err := find(t.Context(), m, paths)
		for _, x := range found {
			line := x.Name + " " + x.Owner + " " + x.ID
			for _, p := range x.Places {
				line += " " + p.String()
			}
			lines = append(lines, line)
		}
		if errors.Is(err, ErrPartly) {
			lines = append(lines, "partly")
		}
		testShows(t, m, []string{bob, adc.Value.Reveal(), googleCanary(file)}, err)
		return lines
	}
	legacy := "~/.config/gcloud/legacy_credentials/"
	want := []string{
		"google:application-default   " + googleADC + " refresh_token " + legacy + "carol@example.com/adc.json refresh_token",
		"google:application-default-2   ~/keys/robot.json source_credentials refresh_token",
		"google:bob@example.com bob@example.com  " + legacy + "bob@example.com/adc.json refresh_token",
		"partly",
	}
	if d := cmp.Diff(show(googleFind, nil), want); d != "" {
		t.Errorf("logins (- got, + want):\n%s", d)
	}
	want = []string{"google-sa:ci " + googleFakeEmail + " " + id + " " + legacy + googleFakeEmail + "/adc.json private_key", "partly"}
	if d := cmp.Diff(show(googlesaFind, nil), want); d != "" {
		t.Errorf("keys (- got, + want):\n%s", d)
	}
	if got := show(googleFind, []string{"~/.config/gcloud/legacy_credentials/*/x"}); got != nil {
		t.Errorf("not allowed: %v", got)
	}
}

func TestGoogleAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		then func(f *googleFake, old *Token)
		want Answer
	}{
		{"alive", func(*googleFake, *Token) {}, Alive},
		{"revoked", func(f *googleFake, old *Token) { f.logins[old.Value.Reveal()].revoked = true }, Dead},
		{"wants a person", func(f *googleFake, _ *Token) { f.rapt = true }, CouldNotTell},
		{"another client", func(_ *googleFake, old *Token) { old.Facts["client_id"] = "another" }, CouldNotTell},
		{"another cloud", func(_ *googleFake, old *Token) { old.Facts["universe"] = "example.com" }, CouldNotTell},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f := googleMachine(t)
			old := googlePut(t, m, f)
			c.then(f, &old)
			id, err := googleIdentify(t.Context(), m, old)
			if id.Answer != c.want || err != nil || id.Answer == CouldNotTell && id.Note == "" {
				t.Errorf("%+v %v", id, err)
			}
			if a, err := googleIsDead(t.Context(), m, old); a != c.want || err != nil {
				t.Errorf("%v %v", a, err)
			}
			if c.want == Alive {
				want := Identity{Answer: Alive, Owner: "alice@example.com", Scopes: strings.Fields(f.logins[old.Value.Reveal()].scopes),
					Reach: []string{"everything that alice@example.com may do in Google Cloud", "log in to Cloud SQL databases", "project proj-1"}}
				if d := cmp.Diff(id, want); d != "" {
					t.Error(d)
				}
			}
			testShows(t, m, []string{old.Value.Reveal(), old.Also["client_secret"].Reveal()}, errors.New(id.Note))
		})
	}
}

// TestGoogleRotate: a login that is made before the old one is revoked would
// die with it.
func TestGoogleRotate(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	old := googlePut(t, m, f)
	copied := "~/copy.json"
	testPut(t, m, copied, testText(t, m, googleADC))
	m.Getenv = func(name string) string {
		return map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": m.Abs(copied)}[name]
	}
	found, err := googleFind(t.Context(), m, nil)
	if err != nil || len(found) != 1 || len(found[0].Places) != 2 {
		t.Fatalf("%v %+v", err, found)
	}
	var again Token
	testPersonAt(m, func() any {
		again = googlePut(t, m, f)
		return true
	})
	o, err := (&Rotator{Machine: m, Kinds: []Kind{googleKind()}}).Rotate(t.Context(), found[0], Options{})
	if err != nil || !o.Done || o.Works != NewWorks {
		t.Fatalf("%v %+v", err, o)
	}
	if a, err := googleIsDead(t.Context(), m, again); a != Alive || err != nil || !strings.Contains(testText(t, m, googleADC), again.Value.Reveal()) {
		t.Errorf("the new login: %v %v", a, err)
	}
	if testText(t, m, copied) != "" {
		t.Error("a copy of the dead login is left")
	}
	testShows(t, m, []string{old.Value.Reveal(), again.Value.Reveal()})
}

func TestGoogleRevokeOnly(t *testing.T) {
	t.Parallel()
	m, f := googleMachine(t)
	old := googlePut(t, m, f)
	dir := "~/.config/gcloud/legacy_credentials/alice@example.com/"
	testPut(t, m, dir+"adc.json", testText(t, m, googleADC))
	testPut(t, m, dir+".boto", "[Credentials]\ngs_oauth2_refresh_token = "+old.Value.Reveal()+"\n")
	testPut(t, m, dir+"singlestore_bq.json", `{"another":"login"}`)
	if err := os.Rename(m.Abs(googleADC), m.Abs("~/real.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(m.Abs("~/real.json"), m.Abs(googleADC)); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	found, err := googleFind(t.Context(), m, nil)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v %+v", err, found)
	}
	found[0].Facts["account"] = "alice@example.com"
	o, err := (&Rotator{Machine: m, Kinds: []Kind{googleKind()}}).Rotate(t.Context(), found[0], Options{RevokeOnly: true})
	if err != nil || !o.Done || f.count("revoke") != 1 {
		t.Fatalf("%v %+v", err, o)
	}
	for _, p := range []string{googleADC, "~/real.json", dir + "adc.json", dir + ".boto"} {
		if testText(t, m, p) != "" {
			t.Errorf("%s is still there", p)
		}
	}
	if testText(t, m, dir+"singlestore_bq.json") == "" {
		t.Error("another login is gone")
	}
	if !strings.Contains(testLog(m), "gcloud auth revoke alice@example.com") {
		t.Error("nobody was told of gcloud's database")
	}
	if err := googleRevoke(t.Context(), m, old, Token{}); err != nil {
		t.Errorf("once more: %v", err)
	}
	if err := googleForget(t.Context(), m, found[0]); err != nil {
		t.Errorf("once more: %v", err)
	}
	testPut(t, m, googleADC, `{"type":"authorized_user","refresh_token":"a new one"}`)
	if err := googleForget(t.Context(), m, old); err != nil || testText(t, m, googleADC) == "" {
		t.Errorf("another login was removed: %v", err)
	}
}

func TestGoogleFaults(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, b *faultBench) (*googleFake, *Machine, Token) {
		m := b.Machine(t, "google")
		f := newGoogleFake(m.Now, googleMint(b))
		return f, m, googlePut(t, m, f)
	}
	stays := func(t *testing.T, m *Machine, old Token) {
		if data := testText(t, m, googleADC); !strings.Contains(data, old.Value.Reveal()) {
			t.Error("the login is gone from its file")
		}
	}
	for name, ask := range map[string]faultAsk{"identify": googleIdentify, "is dead": faultBare(googleIsDead)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
				f, m, old := start(t, b)
				t.Cleanup(func() { stays(t, m, old) })
				return f, m, old
			}, faultTruth(Alive), ask)
		})
	}
	t.Run("revoke", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			f, m, old := start(t, b)
			return faultSubject{Service: f, Run: func(ctx context.Context) error { return googleRevoke(ctx, m, old, Token{}) },
				After: func(t *testing.T, r faultRun) {
					if r.Err == nil && !f.logins[old.Value.Reveal()].revoked {
						t.Error("it is said to be revoked, and was not")
					}
					stays(t, m, old)
				}}
		})
	})
}
