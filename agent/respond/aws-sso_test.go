package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const awsssoName = "~/.aws/sso/cache/d033e22ae348aeb5660fc2140aec35850c4da997.json"

// awsssoPut writes a login and what else lies in the cache, and finds the login.
func awsssoPut(t *testing.T, m *Machine, f *awsFake, renews bool) Token {
	t.Helper()
	access, refresh, clientSecret := f.mint("aoa", 80), f.mint("aor", 80), f.mint("eyJ", 200)
	f.mu.Lock()
	f.access[access], f.refresh[refresh] = true, renews
	f.mu.Unlock()
	text := `{"startUrl": "https://d-1234567890.awsapps.com/start", "region": "eu-west-1", "accessToken": "` + access + `", "expiresAt": "2026-03-01T12:30:00Z"`
	if renews {
		text += `, "refreshToken": "` + refresh + `", "clientId": "abcDEF", "clientSecret": "` + clientSecret + `", "registrationExpiresAt": "2026-05-01T00:00:00Z"`
	}
	testPut(t, m, awsssoName, text+"}")
	testPut(t, m, "~/.aws/sso/cache/botocore-client-id-eu-west-1.json", `{"clientId":"abcDEF","clientSecret":"`+clientSecret+`","expiresAt":"2026-05-01T00:00:00Z"}`)
	testPut(t, m, "~/.aws/sso/cache/kiro-auth-token.json", `{"accessToken":"`+f.mint("aoa", 80)+`","region":"us-east-1"}`)
	testPut(t, m, "~/.aws/cli/cache/r.json", `{"ProviderType":"sso","Credentials":{"AccessKeyId":"ASIA`+strings.Repeat("B", 16)+`","SecretAccessKey":"`+f.mint("", 40)+`","SessionToken":"`+f.mint("", 200)+`","Expiration":"2026-03-01T18:00:00Z"}}`)
	testPut(t, m, "~/.aws/cli/cache/other.json", `{"Credentials":{"AccessKeyId":"ASIA`+strings.Repeat("C", 16)+`","SecretAccessKey":"`+f.mint("", 40)+`","SessionToken":"x"}}`)
	found, err := awsssoFind(t.Context(), m, nil)
	if err != nil || len(found) != 1 || found[0].Name != "aws-sso:d-1234567890.awsapps.com" || found[0].Site != "https://portal.sso.eu-west-1.amazonaws.com" ||
		awsssoRenews(found[0]) != renews || !strings.HasPrefix(found[0].Note, "1 role session") {
		t.Fatalf("%v %+v", err, found)
	}
	return found[0]
}

func TestAWSSSOFind(t *testing.T) {
	t.Parallel()
	m, f, _ := awsMachine(t)
	old := awsssoPut(t, m, f, true)
	if found, err := awsssoFind(t.Context(), m, []string{"~/.aws/credentials"}); err != nil || len(found) != 0 {
		t.Errorf("%v %+v", err, found)
	}
	// Where the login goes is said by a file that anybody may have written.
	for _, region := range []string{"x.evil.example/#", "us-east-1.evil.example", "", "us-iso-east-1"} {
		testPut(t, m, "~/.aws/sso/cache/x.json", `{"startUrl":"https://x.awsapps.com/start","region":"`+region+`","accessToken":"`+testRandom(40)+`"}`)
		if found, err := awsssoFind(t.Context(), m, nil); !errors.Is(err, ErrPartly) || len(found) != 1 {
			t.Errorf("region %q: %d found, %v", region, len(found), err)
		}
	}
	testPut(t, m, "~/.aws/sso/cache/x.json", `{"startUrl":"https://x.awsapps.com/start","region":"eu-west-1","expiresAt":"2026-02-28T12:00:00UTC","accessToken":"`+testRandom(40)+`"}`)
	if found, err := awsssoFind(t.Context(), m, nil); err != nil || len(found) != 1 {
		t.Errorf("one that ran out: %d found, %v", len(found), err)
	}
	m.Getenv = func(name string) string { return map[string]string{"PATH": m.Home}[name] }
	if !strings.Contains(old.Facts["login"], "not on the PATH") {
		t.Errorf("login %q", old.Facts["login"])
	}
	testPut(t, m, "~/aws", "#!/bin/sh\n")
	testPut(t, m, "~/aws.exe", "")
	if found, _ := awsssoFind(t.Context(), m, nil); found[0].Facts["login"] != "aws sso login" {
		t.Errorf("login %q", found[0].Facts["login"])
	}
}

func TestAWSSSOAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		renews     bool
		then       func(f *awsFake)
		want, dead Answer // of Identify and of IsDead
	}{
		{"alive", true, func(*awsFake) {}, Alive, Alive},
		{"signed out", true, func(f *awsFake) { clear(f.access); clear(f.refresh) }, CouldNotTell, Dead},
		{"hour over, renews", true, func(f *awsFake) { clear(f.access) }, CouldNotTell, Alive},
		{"hour over", false, func(f *awsFake) { clear(f.access) }, Dead, Dead},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, _ := awsMachine(t)
			old := awsssoPut(t, m, f, c.renews)
			c.then(f)
			id, err := awsssoIdentify(t.Context(), m, old)
			if id.Answer != c.want || err != nil || c.want != Dead && id.Note == "" {
				t.Errorf("%+v %v", id, err)
			}
			if n := f.count("POST /token"); n != 0 {
				t.Errorf("asking who it is used the refresh token up")
			}
			if c.want == Alive {
				if d := cmp.Diff(id.Reach, []string{"AWS account 111122223333 prod", "AWS account 444455556666 dev", "more AWS accounts"}); d != "" {
					t.Error(d)
				}
			}
			if a, err := awsssoIsDead(t.Context(), m, old); a != c.dead || err != nil {
				t.Errorf("%v %v, want %v", a, err, c.dead)
			}
			testShows(t, m, []string{old.Value.Reveal()}, errors.New(id.Note))
		})
	}
}

func TestAWSSSORevoke(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		later   time.Duration
		then    func(f *awsFake)
		logouts int
	}{
		{"alive", 0, func(*awsFake) {}, 1},
		{"hour over", time.Hour, func(f *awsFake) { clear(f.access) }, 1},
		{"hour over by the portal only", 0, func(f *awsFake) { clear(f.access) }, 1},
		{"signed out", 0, func(f *awsFake) { clear(f.access); clear(f.refresh) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, _ := awsMachine(t)
			old := awsssoPut(t, m, f, true)
			now := m.Now().Add(c.later)
			m.Now = func() time.Time { return now }
			c.then(f)
			if err := awsssoRevoke(t.Context(), m, old, Token{}); err != nil {
				t.Error(err)
			}
			if f.logouts != c.logouts {
				t.Errorf("%d logouts", f.logouts)
			}
			if a, err := awsssoIsDead(t.Context(), m, old); a != Dead || err != nil {
				t.Errorf("%v %v", a, err)
			}
		})
	}
}

// TestAWSSSORotate: first the old login ends, then the person logs in again.
func TestAWSSSORotate(t *testing.T) {
	t.Parallel()
	m, f, _ := awsMachine(t)
	old := awsssoPut(t, m, f, true)
	var again Token
	testPersonAt(m, func() any {
		if f.logouts != 1 {
			t.Error("the old login had not ended")
		}
		again = awsssoPut(t, m, f, true)
		return true
	})
	o, err := (&Rotator{Machine: m, Kinds: []Kind{awsssoKind()}}).Rotate(t.Context(), old, Options{})
	if err != nil || !o.Done || o.Works != NewWorks {
		t.Fatalf("%v %+v", err, o)
	}
	if !strings.Contains(testText(t, m, awsssoName), again.Value.Reveal()) {
		t.Error("the new login is not in its place")
	}
	testShows(t, m, []string{old.Value.Reveal(), again.Value.Reveal()})

	o, err = (&Rotator{Machine: m, Kinds: []Kind{awsssoKind()}}).Rotate(t.Context(), again, Options{RevokeOnly: true})
	if err != nil || !o.Done {
		t.Fatalf("%v %+v", err, o)
	}
	for _, p := range []string{awsssoName, "~/.aws/cli/cache/r.json"} {
		if _, err := os.Lstat(m.Abs(p)); err == nil {
			t.Errorf("%s is still there", p)
		}
	}
	for _, p := range []string{"~/.aws/cli/cache/other.json", "~/.aws/sso/cache/kiro-auth-token.json"} {
		if testText(t, m, p) == "" {
			t.Errorf("%s is gone", p)
		}
	}
	if !strings.Contains(testLog(m), "AWS takes it until 2026-03-01T18:00:00Z") {
		t.Error("nobody was told of the role session that lives on")
	}
}

// TestAWSSSONobody: without a person the old login dies and it is said that
// there is no new one.
func TestAWSSSONobody(t *testing.T) {
	t.Parallel()
	m, f, _ := awsMachine(t)
	old := awsssoPut(t, m, f, false)
	o, err := (&Rotator{Machine: m, Kinds: []Kind{awsssoKind()}}).Rotate(t.Context(), old, Options{})
	if !errors.Is(err, ErrNobody) || o.Done || o.Works != PerhapsNeither || f.logouts != 1 || len(o.Left) == 0 {
		t.Errorf("%v %+v", err, o)
	}
}

func TestAWSSSOFaults(t *testing.T) {
	t.Parallel()
	for _, expired := range []bool{false, true} {
		start := func(t *testing.T, b *faultBench) (*awsFake, *Machine, Token) {
			m := b.Machine(t, "aws-sso")
			f := newAWSFake(m.Now, b.Token)
			old := awsssoPut(t, m, f, true)
			if expired {
				clear(f.access)
				old.Facts["expires"] = "2026-03-01T11:00:00Z"
			}
			return f, m, old
		}
		ask := func(name string, truth Answer, ask faultAsk) {
			t.Run(fmt.Sprintf("%s, expired %v", name, expired), func(t *testing.T) {
				t.Parallel()
				faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
					f, m, old := start(t, b)
					return f, m, old
				}, faultTruth(truth, "401"), ask) // a portal that answers 401 says that it does not take the token
			})
		}
		who := Alive
		if expired {
			who = CouldNotTell // the refresh token is not used up for that
		}
		ask("identify", who, awsssoIdentify)
		ask("is dead", Alive, faultBare(awsssoIsDead))
		t.Run(fmt.Sprintf("revoke, expired %v", expired), func(t *testing.T) {
			t.Parallel()
			faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
				f, m, old := start(t, b)
				return faultSubject{Service: f, Run: func(ctx context.Context) error { return awsssoRevoke(ctx, m, old, Token{}) },
					After: func(t *testing.T, r faultRun) {
						if r.Err == nil && f.logouts == 0 && r.Fault != "401" {
							t.Error("it is said to be revoked, and was not")
						}
					}}
			})
		})
	}
}
