package respond

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/internal/secret"
)

// TestDataIdentifies: what the services say, and what they may say otherwise.
func TestDataIdentifies(t *testing.T) {
	t.Parallel()
	want := map[string]Identity{
		"slack":     {Answer: Alive, Owner: "alice of Acme", Reach: []string{"act as alice in Slack's Acme"}},
		"vault":     {Answer: Alive, Owner: "oidc-alice", Scopes: []string{"default", "deploy"}, Expires: time.Date(2026, 4, 1, 0, 0, 0, 5e8, time.UTC), Reach: []string{"what Vault's policy default allows", "what Vault's policy deploy allows"}},
		"crates-io": {Answer: Alive, Reach: []string{"publish and yank the crates that its scopes name"}, Note: "crates.io does not tell a token's owner or scopes."},
		"vercel":    {Answer: Alive, Owner: "alice", Scopes: []string{"user"}, Reach: []string{"deploy to the projects of alice and read their variables"}},
		"stripe":    {Answer: Alive, Owner: "acct_1", Reach: []string{"live data and payments of the Stripe account acct_1, as far as the key may"}},
		"openai":    {Answer: Alive, Owner: "alice@example.com", Reach: []string{"use OpenAI's models at the cost of alice@example.com"}},
		"huggingface": {Answer: Alive, Owner: "alice", Scopes: []string{"write"}, Reach: []string{
			"read and write the models, data sets and spaces of alice", "read and write those of acme"}},
		"docker-hub": {Answer: Alive, Owner: "alice", Reach: []string{"pull and push the images of alice on Docker Hub"}},
	}
	for _, id := range dataCalled() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			fake := &dataFake{}
			server := httptest.NewServer(fake)
			defer server.Close()
			m := testMachine(t)
			value := dataPaste()[id]()
			k, token := dataTold(t, id, server.URL, fake, value)
			got, err := k.Identify(t.Context(), m, token)
			if diff := cmp.Diff(want[id], got); diff != "" || err != nil {
				t.Errorf("alive: %v\n%s", err, diff)
			}
			fake.tokens[value].dead = true
			got, err = k.Identify(t.Context(), m, token)
			if diff := cmp.Diff(Identity{Answer: Dead}, got); diff != "" || err != nil {
				t.Errorf("dead: %v\n%s", err, diff)
			}
			if k.Revoke != nil {
				if err := k.Revoke(t.Context(), m, token, Token{}); err != nil {
					t.Errorf("Revoke of a dead one: %v", err)
				}
			}
			testShows(t, m, []string{value}, err)
		})
	}
}

// TestDataDoubts: answers that do not say that the token is dead.
func TestDataDoubts(t *testing.T) {
	t.Parallel()
	answers := map[string][]string{ // the status and the body
		"slack": {`200 {"ok":false,"error":"invalid_auth"}`, `200 {"ok":false,"error":"missing_scope"}`, `200 {"ok":false}`, `200 {"ok":true}`, `200 {"ok":false,"error":"TOKEN"}`, `403 {"ok":false,"error":"token_revoked"}`},
		"vault": {`403 {"errors":["permission denied"]}`, `403 {"errors":["1 error occurred:\n\t* permission denied\n\n"]}`, `403 {"errors":["path \"x invalid token y\" denied"]}`, `503 {"errors":["Vault is sealed"]}`,
			`400 {"errors":["invalid token"]}`, `200 {"data":null}`, `200 {"data":{}}`},
		"crates-io":   {`403 {"errors":[{"detail":"this account is locked"}]}`, `403 authentication failed`, `401 {"errors":[{"detail":"authentication failed"}]}`, `200 {"user":{}}`, `403 {"errors":[]}`},
		"vercel":      {`403 {"error":{"code":"forbidden","message":"Not authorized"}}`, `403 {"error":{"code":"TOKEN"}}`, `401 <html>`, `200 {"user":{}}`, `200 {}`, `404 {"error":{"invalidToken":true}}`},
		"stripe":      {`403 {"error":{"type":"invalid_request_error"}}`, `401 {"error":{"type":"api_error"}}`, `401 <html>`, `200 {"id":""}`, `400 {"error":{"type":"invalid_request_error"}}`},
		"openai":      {`401 {"error":{"code":"ip_not_authorized"}}`, `401 {"error":{"code":null}}`, `401 {}`, `403 {"error":{"code":"invalid_api_key"}}`, `200 {"object":"user"}`},
		"huggingface": {`403 {"error":"forbidden"}`, `401 <html>`, `401 {}`, `200 {"name":""}`, `404 {"error":"not found"}`},
		"docker-hub":  {`403 {"detail":"x"}`, `401 <html>`, `200 {}`, `200 {"access_token":""}`, `429 {"detail":"x"}`},
	}
	for _, id := range dataCalled() {
		for _, answer := range append(answers[id], "429 {}", "500 {}", "302 {}", "200 ", "200 null", "200 []", `200 "TOKEN"`) {
			t.Run(id+" "+answer, func(t *testing.T) {
				t.Parallel()
				value := dataPaste()[id]()
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					status := 0
					fmt.Sscan(answer, &status)
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(status)
					io.WriteString(w, strings.ReplaceAll(answer[4:], "TOKEN", value))
				}))
				defer server.Close()
				m := testMachine(t)
				k, token := dataTold(t, id, server.URL, &dataFake{}, value)
				got, err := k.Identify(t.Context(), m, token)
				if err != nil || got.Answer != CouldNotTell || got.Note == "" {
					t.Errorf("Identify: %+v, %v", got, err)
				}
				var rerr error
				if k.Revoke != nil {
					// What is no yes is none, even if a service says it is dead with another status.
					if rerr = k.Revoke(t.Context(), m, token, Token{}); rerr == nil && !(id == "vercel" && strings.HasPrefix(answer, "200")) {
						t.Error("Revoke takes it for a yes")
					}
				}
				testShows(t, m, []string{value}, rerr, errors.New(got.Note))
			})
		}
	}
	t.Run("docker-hub password", func(t *testing.T) {
		t.Parallel()
		fake := &dataFake{}
		server := httptest.NewServer(fake)
		defer server.Close()
		k, token := dataTold(t, "docker-hub", server.URL, fake, "a-password-of-alice")
		fake.tokens["a-password-of-alice"].dead = true // or wants a second factor
		if got, err := k.Identify(t.Context(), testMachine(t), token); err != nil || got.Answer != CouldNotTell {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestDataFaults: everything goes wrong at every request, and nothing false is
// said.
func TestDataFaults(t *testing.T) {
	t.Parallel()
	for _, id := range dataCalled() {
		for _, dead := range []bool{false, true} {
			t.Run(fmt.Sprintf("identify %s dead=%v", id, dead), func(t *testing.T) {
				t.Parallel()
				truth := faultTruth(Alive)
				switch {
				case dead:
					truth = faultTruth(Dead)
				case id == "huggingface" || id == "docker-hub":
					truth = faultTruth(Alive, "401") // with an error in JSON is how these two say it
				}
				faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
					fake := &dataFake{}
					m := b.Machine(t, id)
					_, token := dataTold(t, id, b.URL, fake, b.Canary(dataPaste()[id]()))
					fake.tokens[token.Value.Reveal()].dead = dead
					return fake, m, token
				}, truth, dataKind(t, id).Identify)
			})
		}
		if dataKind(t, id).Revoke == nil {
			continue
		}
		t.Run("revoke "+id, func(t *testing.T) {
			t.Parallel()
			faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
				fake := &dataFake{}
				m := b.Machine(t, id)
				k, token := dataTold(t, id, b.URL, fake, b.Canary(dataPaste()[id]()))
				if id == "slack" {
					refresh := b.Canary("xoxe-1-" + testRandom(140))
					fake.tokens[refresh] = &dataFakeToken{}
					token.Also = Secrets{"refresh_token": secret.Of(refresh)}
				}
				return faultSubject{Service: fake, Run: func(ctx context.Context) error { return k.Revoke(ctx, m, token, Token{}) },
					After: func(t *testing.T, r faultRun) {
						for _, o := range fake.tokens {
							if r.Err == nil && !o.dead {
								t.Error("it says it is revoked, and it is not")
							}
						}
						if r.Fault == "" && r.Err != nil {
							t.Error(r.Err)
						}
					}}
			})
		})
	}
}

// TestDataVercelMakes: a token is made once, found when its answer is lost, and
// no other is touched.
func TestDataVercelMakes(t *testing.T) {
	t.Parallel()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			fake := &dataFake{mint: func() string { return b.Token("vcp_", 56) }}
			m := b.Machine(t, "vercel")
			k, old := dataTold(t, "vercel", b.URL, fake, b.Token("vcp_", 56))
			var made Token
			return faultSubject{Service: fake, Run: func(ctx context.Context) (err error) {
				made, err = k.Create(ctx, m, old, "wormbell-1")
				return err
			}, After: func(t *testing.T, r faultRun) {
				if len(fake.minted) > 1 {
					t.Errorf("%d tokens were made", len(fake.minted))
				}
				if r.Err == nil && (len(fake.minted) != 1 || made.Value.Reveal() != fake.minted[0] || made.Value.Equal(old.Value)) {
					t.Error("it returns another token than was made")
				}
				if fake.tokens[old.Value.Reveal()].dead {
					t.Error("the old token died")
				}
				if r.Err != nil && len(fake.minted) == 1 && noEffect(r.Err) {
					t.Errorf("a token was made, and it says that none was: %v", r.Err)
				}
				if r.Err != nil && r.At == 0 && r.Fault != "" && !noEffect(r.Err) && !errors.Is(r.Err, context.Canceled) {
					t.Errorf("nothing was asked to be made, and it says that something may be: %v", r.Err)
				}
			}}
		})
	})
	t.Run("lost", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			fake := &dataFake{}
			m := b.Machine(t, "vercel")
			k, old := dataTold(t, "vercel", b.URL, fake, b.Token("vcp_", 56))
			for i, name := range []string{"mine", "other", "wormbell-1", "wormbell-11"} {
				fake.tokens[b.Token("vcp_", 56)] = &dataFakeToken{id: fmt.Sprintf("tok_%d", i+1), name: name}
			}
			var found bool
			return faultSubject{Service: fake, Run: func(ctx context.Context) (err error) {
				found, err = k.Lost(ctx, m, old, "wormbell-1")
				return err
			}, After: func(t *testing.T, r faultRun) {
				for _, o := range fake.tokens {
					if o.name != "wormbell-1" && o.dead {
						t.Errorf("token %q was revoked", o.name)
					}
					if o.name == "wormbell-1" && r.Err == nil && !o.dead {
						t.Errorf("the lost one is alive; found = %v", found)
					}
				}
				if r.Fault == "" && (!found || r.Err != nil) {
					t.Errorf("found = %v, %v", found, r.Err)
				}
			}}
		})
	})
}

// TestDataVercelScopes: a new token may do no more than the old one, nor live
// longer.
func TestDataVercelScopes(t *testing.T) {
	t.Parallel()
	until := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC).UnixMilli()
	for _, c := range []struct {
		name, scopes string
		expires      int64
		want         string // scopes of the new one; "" for none
		wantUntil    int64
	}{
		{"account", `{"type":"user"}`, until, `{"type":"user"}`, until},
		{"account and team", `{"type":"team","teamId":"t1"},{"type":"user"}`, until, `{"type":"user"}`, until},
		{"for ever", `{"type":"user"}`, 0, `{"type":"user"}`, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(vercelLife).UnixMilli()},
		{"team", `{"type":"team","teamId":"t&1"}`, until, `{"type":"team","teamId":"t&1"}`, until},
		{"two teams", `{"type":"team","teamId":"t1"},{"type":"team","teamId":"t2"}`, until, "", 0},
		{"project", `{"type":"project","projectId":"p1"}`, until, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := &dataFake{mint: dataMint("vcp_", 56)}
			server := httptest.NewServer(fake)
			defer server.Close()
			m := testMachine(t)
			k, old := dataTold(t, "vercel", server.URL, fake, "vcp_"+testRandom(56))
			o := fake.tokens[old.Value.Reveal()]
			o.scopes, o.expires = c.scopes, c.expires
			made, err := k.Create(t.Context(), m, old, "label")
			if c.want == "" {
				if !errors.Is(err, ErrNotPossible) || len(fake.minted) != 0 {
					t.Errorf("%d made, %v", len(fake.minted), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n := fake.tokens[made.Value.Reveal()]
			if n == nil || n.scopes != c.want || n.expires != c.wantUntil || n.name != "label" || made.ID != n.id || made.Note == "" {
				t.Errorf("made %+v, as %+v", n, made)
			}
		})
	}
}

// TestDataRefusesToRevoke: what cannot revoke itself says so before or after it
// was asked, and a person goes to the page.
func TestDataRefusesToRevoke(t *testing.T) {
	t.Parallel()
	fake := &dataFake{}
	server := httptest.NewServer(fake)
	defer server.Close()
	m := testMachine(t)
	k, token := dataTold(t, "crates-io", server.URL, fake, "cio"+testRandom(32))
	fake.tokens[token.Value.Reveal()].scoped = true
	if err := k.Revoke(t.Context(), m, token, Token{}); !errors.Is(err, ErrNotPossible) || fake.tokens[token.Value.Reveal()].dead {
		t.Errorf("a token with scopes: %v", err)
	}
	k, token = dataTold(t, "vault", server.URL, fake, "hvb."+testRandom(140))
	if err := k.Revoke(t.Context(), m, token, Token{}); !errors.Is(err, ErrNotPossible) || fake.tokens[token.Value.Reveal()].dead {
		t.Errorf("a batch token: %v", err)
	}
	fake.tokens[token.Value.Reveal()].policy = true
	if id, err := k.Identify(t.Context(), m, token); err != nil || id.Answer != CouldNotTell || !strings.Contains(id.Note, "policy") {
		t.Errorf("denied by a policy: %+v, %v", id, err)
	}
	k, token = dataTold(t, "openai", server.URL, fake, dataPaste()["openai"]())
	fake.tokens[token.Value.Reveal()].scoped = true
	if id, err := k.Identify(t.Context(), m, token); err != nil || id.Answer != Alive || id.Note == "" {
		t.Errorf("a key that may not ask who it is: %+v, %v", id, err)
	}
}

// TestDataRotates: rows work with the Rotator: one that makes its token itself,
// one whose token is pasted and revokes itself, one where a person does both,
// and a login.
func TestDataRotates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id   string
		file string // "" for the row's first sample
		do   func(m *Machine, fake *dataFake, d dataSample, fresh string)
		want []string // what was opened
	}{
		{id: "vercel", do: func(m *Machine, fake *dataFake, _ dataSample, fresh string) {
			fake.mint = func() string { return fresh }
		}},
		{id: "crates-io", want: []string{"https://crates.io/settings/tokens/new"}, do: func(m *Machine, fake *dataFake, _ dataSample, fresh string) {
			fake.tokens[fresh] = &dataFakeToken{}
			testPersonAt(m, fresh)
		}},
		{id: "stripe", want: []string{"https://dashboard.stripe.com/apikeys/create", "https://dashboard.stripe.com/apikeys"}, do: func(m *Machine, fake *dataFake, _ dataSample, fresh string) {
			testPersonAt(m, "npm_no", fresh, func() any {
				for v, o := range fake.tokens {
					o.dead = v != fresh
				}
				return true
			})
			fake.tokens[fresh] = &dataFakeToken{}
		}},
		{id: "slack", do: func(m *Machine, fake *dataFake, d dataSample, fresh string) {
			testPersonAt(m, func() any {
				refresh := "xoxe-1-" + testRandom(140)
				fake.tokens[fresh], fake.tokens[refresh] = &dataFakeToken{}, &dataFakeToken{}
				testPut(t, m, d.path, d.file(fresh, refresh))
				return true
			})
		}},
	} {
		t.Run(c.id, func(t *testing.T) {
			t.Parallel()
			samples := dataSamples()
			d := samples[slices.IndexFunc(samples, func(d dataSample) bool { return d.id == c.id })]
			old, refresh, fresh := d.mint(), "xoxe-1-"+testRandom(140), d.mint()
			if c.id == "stripe" || c.id == "crates-io" {
				fresh = dataPaste()[c.id]()
			}
			fake := &dataFake{}
			server := httptest.NewServer(fake)
			defer server.Close()
			m := dataMachine(t, d, old, refresh)
			m.Sites[c.id] = server.URL
			dataTold(t, c.id, server.URL, fake, old)
			fake.tokens[refresh] = &dataFakeToken{}
			c.do(m, fake, d, fresh)
			kinds := dataKinds()
			found, err := Find(t.Context(), m, kinds, nil)
			if err != nil || len(found) != 1 {
				t.Fatalf("%d tokens, %v", len(found), err)
			}
			r := &Rotator{Machine: m, Kinds: kinds}
			o, err := r.Rotate(t.Context(), found[0], Options{})
			if err != nil || !o.Done || o.Works != NewWorks {
				t.Fatalf("%+v, %v\n%s", o, err, testLog(m))
			}
			if !fake.tokens[old].dead || fake.tokens[fresh].dead || c.id == "slack" && !fake.tokens[refresh].dead {
				t.Error("the wrong one is dead")
			}
			if text := testText(t, m, d.path); !strings.Contains(text, fresh) || strings.Contains(text, old) {
				t.Error("the file does not hold the new one")
			}
			for _, page := range c.want {
				if !strings.Contains(testLog(m), "url="+page+"\n") {
					t.Errorf("%s was not opened", page)
				}
			}
			testShows(t, m, []string{old, fresh, refresh}, err)
		})
	}
}
