package respond

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wormbell/internal/secret"
)

// TestAWSTwoKeys: the other of two keys goes only if a person says so.
func TestAWSTwoKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer any
		used   bool
		local  bool
		deny   []string
		ask    string
		want   error
		left   bool // the other one
	}{
		{name: "yes", answer: true, ask: "inactive, never used, made on 2025-01-25; no profile beside it uses it"},
		{name: "used", answer: true, used: true, ask: "last used on 2026-02-01 for s3"},
		{name: "local", answer: true, local: true, ask: "YOUR PROFILE other USES IT"},
		{name: "not told", answer: true, deny: []string{"GetAccessKeyLastUsed"}, ask: "nobody knows when it was last used"},
		{name: "no", answer: false, want: ErrNotPossible, left: true},
		{name: "nobody", answer: ErrNobody, want: ErrNobody, left: true},
		{name: "denied", answer: true, deny: []string{"DeleteAccessKey"}, want: ErrNotPossible, left: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, old := awsMachine(t)
			other, key := f.add()
			f.mu.Lock()
			f.deny, f.keys[other].status = c.deny, "Inactive"
			if c.used {
				f.keys[other].used = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
			}
			f.mu.Unlock()
			if c.local {
				testPut(t, m, "~/.aws/credentials", fmt.Sprintf(awsProfiles, old.ID, old.Value.Reveal(), other, key))
			}
			p := testPersonAt(m, c.answer)
			made, err := awsCreate(t.Context(), m, old, "label")
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if left := f.state(other) != ""; left != c.left {
				t.Errorf("the other key is left: %v", left)
			}
			if f.state(old.ID) != "Active" || (err == nil) != (f.state(made.ID) == "Active") {
				t.Error("the old key is gone, or there is no new one")
			}
			if q := strings.Join(p.asked, "\n"); !strings.Contains(q, c.ask) || !strings.Contains(q, other) {
				t.Errorf("asked %q", q)
			}
		})
	}
}

func TestAWSCreateDenied(t *testing.T) {
	t.Parallel()
	for action, makes := range map[string]int{"ListAccessKeys": 0, "CreateAccessKey": 1} {
		m, f, old := awsMachine(t)
		f.deny = []string{action}
		_, err := awsCreate(t.Context(), m, old, "label")
		if !errors.Is(err, ErrNotPossible) || !strings.Contains(err.Error(), "MFA") || f.count("CreateAccessKey") != makes {
			t.Errorf("%s: %v after %d tries", action, err, f.count("CreateAccessKey"))
		}
		if found, err := awsLost(t.Context(), m, old, "label"); found || err != nil {
			t.Errorf("%s: a refused key is looked for: %v %v", action, found, err)
		}
	}
}

// TestAWSLost: only the key whose secret never arrived is deleted.
func TestAWSLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails bool // IAM makes the key, and says 500
		then  func(t *testing.T, m *Machine, f *awsFake, lost string)
		found bool
		left  bool
		err   error
	}{
		{name: "found", found: true},
		{name: "fails after it", fails: true, found: true},
		{name: "listed late", then: func(_ *testing.T, _ *Machine, f *awsFake, _ string) { f.listed = 2 }, found: true},
		{name: "not told", then: func(_ *testing.T, _ *Machine, f *awsFake, _ string) { f.deny = []string{"GetAccessKeyLastUsed"} }, found: true},
		{name: "used", then: func(_ *testing.T, m *Machine, f *awsFake, id string) { f.keys[id].used = m.Now() }, left: true},
		{name: "older", then: func(_ *testing.T, m *Machine, f *awsFake, id string) {
			f.keys[id].created = m.Now().Add(-time.Hour)
		}, left: true},
		{name: "much later", then: func(_ *testing.T, m *Machine, f *awsFake, id string) {
			f.keys[id].created = m.Now().Add(time.Hour)
		}, left: true},
		{name: "in a profile", then: func(t *testing.T, m *Machine, f *awsFake, id string) {
			testPut(t, m, "~/.aws/credentials", "[new]\naws_access_key_id="+id+"\naws_secret_access_key="+f.keys[id].secret+"\n")
		}, left: true},
		{name: "denied", then: func(_ *testing.T, _ *Machine, f *awsFake, _ string) { f.deny = []string{"DeleteAccessKey"} }, found: true, left: true, err: ErrNotPossible},
		{name: "no list", then: func(_ *testing.T, _ *Machine, f *awsFake, _ string) { f.deny = []string{"ListAccessKeys"} }, left: true, err: ErrNotPossible},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, old := awsMachine(t)
			f.fails = c.fails
			made, err := awsCreate(t.Context(), m, old, "label")
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if c.fails && f.count("CreateAccessKey") != 1 {
				t.Error("it was asked for again")
			}
			if c.then != nil {
				f.mu.Lock()
				c.then(t, m, f, made.ID)
				f.mu.Unlock()
			}
			found, err := awsLost(t.Context(), m, old, "label")
			if found != c.found || !errors.Is(err, c.err) {
				t.Errorf("found %v, error %v", found, err)
			}
			if left := len(f.ids(old.ID)) > 0; left != c.left {
				t.Errorf("it is left: %v", left)
			}
			if f.state(old.ID) == "" {
				t.Error("the old one is gone")
			}
		})
	}
	t.Run("the successor looks", func(t *testing.T) {
		t.Parallel()
		m, f, old := awsMachine(t)
		made, err := awsCreate(t.Context(), m, old, "label")
		if err != nil {
			t.Fatal(err)
		}
		f.keys[made.ID].unknown = 0
		if found, err := awsLost(t.Context(), m, made, "label"); found || err != nil || f.state(made.ID) == "" {
			t.Errorf("%v %v: it deleted itself", found, err)
		}
	})
}

// TestAWSRevoke covers what IAM may say to it.
func TestAWSRevoke(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		then func(f *awsFake, old, by *Token)
		err  error // kind of error
		want string
		said string
	}{
		{name: "deleted", want: ""},
		{name: "new one not known yet", then: func(f *awsFake, _, by *Token) { f.keys[by.ID].unknown = 3 }, want: ""},
		{name: "gone already", then: func(f *awsFake, old, _ *Token) { delete(f.keys, old.ID) }, want: ""},
		{name: "may not delete", then: func(f *awsFake, _, _ *Token) { f.deny = []string{"DeleteAccessKey"} }, want: "Inactive", said: "inactive, but not deleted"},
		{name: "may not update", then: func(f *awsFake, _, _ *Token) { f.deny = []string{"UpdateAccessKey"} }, want: "", said: "IAM did not let it be made inactive"},
		{name: "may nothing", then: func(f *awsFake, _, _ *Token) { f.deny = []string{"UpdateAccessKey", "DeleteAccessKey"} }, want: "Active", err: ErrNotPossible},
		{name: "dies slowly", then: func(f *awsFake, old, _ *Token) { f.keys[old.ID].known = 1000 }, want: ""},
		{name: "another's", then: func(f *awsFake, old, by *Token) { f.keys[by.ID].user = "bob" }, want: "Active", err: awsErrAny},
		{name: "session", then: func(_ *awsFake, old, _ *Token) { old.Also = Secrets{"aws_session_token": secret.Of("x")} }, want: "Active", err: ErrNotPossible},
		{name: "stranger", then: func(f *awsFake, old, by *Token) {
			f.keys["AKIASTRANGER234567AB"] = &awsFakeKey{user: "alice", status: "Active"}
		}, want: "", said: "another AWS access key, AKIASTRANGER234567AB (active, made on 0001-01-01)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, old := awsMachine(t)
			by := old
			id, key := f.add()
			by.ID, by.Value = id, secret.Of(key)
			if c.then != nil {
				c.then(f, &old, &by)
			}
			err := awsRevoke(t.Context(), m, old, by)
			if c.err == awsErrAny && err != nil {
			} else if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if got := f.state(old.ID); got != c.want {
				t.Errorf("the old key is %q, want %q", got, c.want)
			}
			if f.state(by.ID) != "Active" {
				t.Error("the new key is not active")
			}
			if !strings.Contains(testLog(m), c.said) {
				t.Errorf("did not say %q", c.said)
			}
		})
	}
}

// awsErrAny stands for any error in a table.
var awsErrAny = errors.New("any")
