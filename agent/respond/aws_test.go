package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
	"wormbell/internal/secret"
)

// awsMachine is a machine with a service of AWS's and alice's key in two profiles.
func awsMachine(t *testing.T) (m *Machine, f *awsFake, old Token) {
	t.Helper()
	m = testMachine(t)
	f = newAWSFake(m.Now, func(prefix string, n int) string { return prefix + testRandom(n) })
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	m.Sites["aws"], m.Sites["aws-sso"] = server.URL, server.URL
	return m, f, awsPut(t, m, f)
}

const awsProfiles = `# mine
[default]
aws_access_key_id = %[1]s  
aws_secret_access_key=%[2]s
region = eu-central-1

; the same, for Terraform
[terraform]
AWS_SECRET_ACCESS_KEY	=	%[2]s
aws_access_key_id = %[1]s
[other]
aws_access_key_id = %[3]s
aws_secret_access_key = %[4]s
`

// awsPut writes the profiles and finds the token.
func awsPut(t *testing.T, m *Machine, f *awsFake) Token {
	t.Helper()
	id, key := f.add()
	other, otherKey := awsKeyIn(f.mint)
	testPut(t, m, "~/.aws/credentials", fmt.Sprintf(awsProfiles, id, key, other, otherKey))
	found, err := awsFind(t.Context(), m, nil)
	if err != nil || len(found) != 2 || found[0].ID != id || len(found[0].Places) != 2 {
		t.Fatalf("found %d tokens: %v", len(found), err)
	}
	return found[0]
}

func TestAWSFind(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	mint := func(prefix string, n int) string { return prefix + testRandom(n) }
	a, aKey := awsKeyIn(mint)
	b, bKey := awsKeyIn(mint)
	c, cKey := awsKeyIn(mint)
	s, sKey := awsKeyIn(mint)
	s = "ASIA" + s[4:]
	session := mint("", 300)
	testPut(t, m, "~/.aws/credentials", "\ufeff[default]\r\naws_access_key_id="+a+"\r\naws_secret_access_key="+aKey+"\r\n"+
		"[work]\r\naws_access_key_id="+a+"\r\naws_secret_access_key="+aKey+"\r\nregion=cn-north-1\r\n"+
		"[mfa]\r\naws_access_key_id="+s+"\r\naws_secret_access_key="+sKey+"\r\naws_session_token="+session+"\r\nexpiration = 2026-03-01 13:00:00+00:00\r\n"+
		"[minio]\r\naws_access_key_id=minioadmin\r\naws_secret_access_key=minioadmin\r\n"+
		"[half]\r\naws_access_key_id="+b+"\r\n")
	testPut(t, m, "~/.aws/config", "[profile odd]\naws_access_key_id="+b+"\naws_secret_access_key="+bKey+"\nregion=us-gov-east-1\n[profile plain]\nregion=eu-west-1\n")
	testPut(t, m, "~/elsewhere/keys", "[default]\naws_access_key_id="+c+"\naws_secret_access_key="+cKey+"\n")
	testPut(t, m, "~/.aws/cli/cache/0123456789abcdef.json", `{"ProviderType":"assume-role","Credentials":{"AccessKeyId":"`+s[:19]+`Q","SecretAccessKey":"`+sKey+`x","SessionToken":"`+session+`","Expiration":"2026-03-01T14:00:00+00:00"},"AssumedRoleUser":{"Arn":"arn:aws:sts::111122223333:assumed-role/admin/me"}}`)
	testPut(t, m, "~/.aws/cli/cache/old.json", `{"Credentials":{"AccessKeyId":"`+s[:19]+`R","SecretAccessKey":"`+sKey+`","SessionToken":"x","Expiration":"2026-03-01T11:00:00Z"}}`)
	testPut(t, m, "~/.aws/cli/cache/broken.json", `{"Credentials":"`+sKey)
	m.Getenv = func(name string) string {
		return map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(m.Home, "elsewhere/keys")}[name]
	}
	show := func(paths []string) []string {
		found, err := awsFind(t.Context(), m, paths)
		var lines []string
		for _, f := range found {
			lines = append(lines, fmt.Sprintf("%s %s %v %s %s", f.Name, f.ID, f.Places, f.Facts["region"], f.Facts["expires"]))
			if f.Value.Empty() || (f.Facts["temporary"] != "") != !f.Also["aws_session_token"].Empty() {
				t.Errorf("%s: its secrets are not there", f.Name)
			}
		}
		if err != nil {
			if !errors.Is(err, ErrPartly) {
				t.Error(err)
			}
			lines = append(lines, "partly")
		}
		testShows(t, m, []string{aKey, bKey, cKey, sKey, session}, err)
		return lines
	}
	want := []string{
		"aws:default " + a + " [~/.aws/credentials [default] ~/.aws/credentials [work]]  ",
		"aws:mfa " + s + " [~/.aws/credentials [mfa]]  2026-03-01T13:00:00Z",
		"aws:odd " + b + " [~/.aws/config [profile odd]] us-gov-east-1 ",
		"aws:default-2 " + c + " [~/elsewhere/keys [default]]  ",
		"aws:session-01234567 " + s[:19] + "Q [~/.aws/cli/cache/0123456789abcdef.json Credentials]  2026-03-01T14:00:00Z",
		"partly",
	}
	if d := cmp.Diff(show(nil), want); d != "" {
		t.Errorf("all (- got, + want):\n%s", d)
	}
	if d := cmp.Diff(show([]string{"~/.aws/credentials", "~/.npmrc"}), want[:2]); d != "" {
		t.Errorf("one file (- got, + want):\n%s", d)
	}
	if d := cmp.Diff(show([]string{}), []string(nil)); d != "" {
		t.Errorf("none (- got, + want):\n%s", d)
	}
}

// TestAWSRotate does it all, by the Rotator.
func TestAWSRotate(t *testing.T) {
	t.Parallel()
	m, f, old := awsMachine(t)
	was := testText(t, m, "~/.aws/credentials")
	f.keys["AKIASTRANGER234567AB"] = &awsFakeKey{user: "mallory"}
	f.listed = 1
	r := &Rotator{Machine: m, Kinds: []Kind{awsKind()}}
	o, err := r.Rotate(t.Context(), old, Options{})
	if err != nil || !o.Done || o.Works != NewWorks {
		t.Fatalf("%v %+v", err, o)
	}
	ids := f.ids("AKIASTRANGER234567AB")
	if len(ids) != 1 || ids[0] == old.ID || f.state(ids[0]) != "Active" {
		t.Fatalf("keys %v, the old one was %s", ids, old.ID)
	}
	f.mu.Lock()
	key := f.keys[ids[0]].secret
	f.mu.Unlock()
	want := strings.NewReplacer(old.ID, ids[0], old.Value.Reveal(), key).Replace(was)
	if d := cmp.Diff(testText(t, m, "~/.aws/credentials"), want); d != "" {
		t.Error("the file is not the old one with the new key")
	}
	if info, err := os.Stat(m.Abs("~/.aws/credentials")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if n := f.count("CreateAccessKey"); n != 1 {
		t.Errorf("%d keys were made", n)
	}
	if left, _ := os.ReadDir(filepath.Join(m.State, "creating")); len(left) > 0 {
		t.Errorf("notes are left: %v", left)
	}
	testShows(t, m, []string{old.Value.Reveal(), key})
}

func TestAWSContainNow(t *testing.T) {
	t.Parallel()
	m, f, old := awsMachine(t)
	r := &Rotator{Machine: m, Kinds: []Kind{awsKind()}}
	o, err := r.Rotate(t.Context(), old, Options{RevokeOnly: true})
	if err != nil || !o.Done || o.Works != NoneWanted {
		t.Fatalf("%v %+v", err, o)
	}
	if got := f.state(old.ID); got != "Inactive" {
		t.Errorf("the old key is %q", got)
	}
	want := "# mine\n[default]\nregion = eu-central-1\n\n; the same, for Terraform\n[terraform]\n[other]\n"
	if got := testText(t, m, "~/.aws/credentials"); !strings.HasPrefix(got, want) || strings.Contains(got, old.ID) {
		t.Error("the key is not taken out of its profiles, or more is")
	}
	if !strings.Contains(testLog(m), old.ID+" is inactive; delete it") {
		t.Error("nobody was told that it can be deleted")
	}
}

// TestAWSPaste: a person pastes the ID and the secret where IAM allows nothing.
func TestAWSPaste(t *testing.T) {
	t.Parallel()
	m, f, old := awsMachine(t)
	f.deny = []string{"CreateAccessKey"}
	var id, key string
	p := testPersonAt(m, old.ID+" "+old.Value.Reveal(), "AKIA", func() any {
		id, key = f.add()
		return id + "," + key
	})
	o, err := (&Rotator{Machine: m, Kinds: []Kind{awsKind()}}).Rotate(t.Context(), old, Options{})
	if err != nil || !o.Done || o.Works != NewWorks {
		t.Fatalf("%v %+v", err, o)
	}
	if got := f.ids(); !slices.Equal(got, []string{id}) {
		t.Errorf("keys %v, want %s", got, id)
	}
	if text := testText(t, m, "~/.aws/credentials"); strings.Count(text, id) != 2 || strings.Count(text, key) != 2 {
		t.Error("the pasted key is not in its place")
	}
	if pages := p.opened(); len(pages) == 0 || pages[0] != "https://console.aws.amazon.com/iam/home#/security_credentials" {
		t.Errorf("opened %v", pages)
	}
	testShows(t, m, []string{old.Value.Reveal(), key})
}

// TestAWSAnswers: what says that a key is dead, and what does not.
func TestAWSAnswers(t *testing.T) {
	t.Parallel()
	temporary := func(f *awsFake, old *Token) {
		f.keys[old.ID].session = f.mint("", 60)
		old.Also = Secrets{"aws_session_token": secret.Of(f.keys[old.ID].session)}
	}
	for _, c := range []struct {
		name string
		then func(f *awsFake, old *Token)
		want Answer
	}{
		{"alive", func(*awsFake, *Token) {}, Alive},
		{"deleted", func(f *awsFake, old *Token) { delete(f.keys, old.ID) }, Dead},
		{"inactive", func(f *awsFake, old *Token) { f.keys[old.ID].status = "Inactive" }, Dead},
		{"another secret", func(_ *awsFake, old *Token) { old.Value = secret.Of(testRandom(40)) }, CouldNotTell},
		{"denied", func(f *awsFake, _ *Token) { f.deny = []string{"GetCallerIdentity"} }, CouldNotTell},
		{"throttled once", func(f *awsFake, _ *Token) { f.throws = []string{"Throttling"} }, Alive},
		{"throttled", func(f *awsFake, _ *Token) { f.throws = strings.Split(strings.Repeat("Throttling,", 9), ",")[:9] }, CouldNotTell},
		{"another code", func(f *awsFake, _ *Token) { f.throws = []string{"InvalidAction", "InvalidAction"} }, CouldNotTell},
		{"session", temporary, Alive},
		{"session over", func(f *awsFake, old *Token) { temporary(f, old); f.keys[old.ID].status = "Expired" }, Dead},
		{"key over", func(f *awsFake, old *Token) { f.keys[old.ID].status = "Expired" }, CouldNotTell},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, old := awsMachine(t)
			c.then(f, &old)
			got, err := awsIsDead(t.Context(), m, old)
			if got != c.want || err != nil {
				t.Errorf("%v %v, want %v", got, err, c.want)
			}
			id, err := awsIdentify(t.Context(), m, old)
			if err != nil || id.Answer != c.want || id.Answer == CouldNotTell && id.Note == "" {
				t.Errorf("%+v %v", id, err)
			}
			testShows(t, m, []string{old.Value.Reveal()}, errors.New(id.Note))
		})
	}
}

func TestAWSIdentify(t *testing.T) {
	t.Parallel()
	m, f, old := awsMachine(t)
	id, err := awsIdentify(t.Context(), m, old)
	want := Identity{Answer: Alive, Owner: "arn:aws:iam::111122223333:user/team/alice", Note: "AWS itself has found this key somewhere and put the user in quarantine.",
		Scopes: []string{"AdministratorAccess", "AWSCompromisedKeyQuarantineV3", "own-keys", "group builders"},
		Reach:  []string{"AWS account 111122223333 as user alice", "everything in AWS account 111122223333"}}
	if d := cmp.Diff(id, want); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	f.deny = []string{"ListAttachedUserPolicies", "ListUserPolicies", "ListGroupsForUser"}
	if id, err := awsIdentify(t.Context(), m, old); err != nil || id.Answer != Alive || len(id.Reach) != 1 || len(id.Scopes) != 0 {
		t.Errorf("without rights: %+v %v", id, err)
	}
	f.arn = "arn:aws:iam::111122223333:root"
	if id, _ := awsIdentify(t.Context(), m, old); !slices.Equal(id.Reach, []string{"everything in AWS account 111122223333: it is the root user's"}) {
		t.Errorf("root: %+v", id)
	}
}

// TestAWSClock: a wrong clock is no reason to think that a key is dead, nor to
// give up.
func TestAWSClock(t *testing.T) {
	t.Parallel()
	m, f, old := awsMachine(t)
	right := m.Now
	m.Now = func() time.Time { return right().Add(-7 * time.Hour) }
	if a, err := awsIsDead(t.Context(), m, old); a != Alive || err != nil {
		t.Errorf("%v %v", a, err)
	}
	if _, err := awsCreate(t.Context(), m, old, "label"); err != nil {
		t.Error(err)
	}
	// The note holds AWS's time, not that of this machine.
	if found, err := awsLost(t.Context(), m, old, "label"); !found || err != nil || len(f.ids()) != 1 {
		t.Errorf("%v %v %v", found, err, f.ids())
	}
}

// TestAWSInstall: what is not the old key is left alone.
func TestAWSInstall(t *testing.T) {
	t.Parallel()
	m, f, old := awsMachine(t)
	was := testText(t, m, "~/.aws/credentials")
	new := old
	id, key := f.add()
	new.ID, new.Value = id, secret.Of(key)
	for range 2 { // again, after a crash
		if err := awsInstall(t.Context(), m, old, new); err != nil {
			t.Fatal(err)
		}
		if got, want := testText(t, m, "~/.aws/credentials"), strings.NewReplacer(old.ID, id, old.Value.Reveal(), key).Replace(was); got != want {
			t.Fatal("the file is wrong")
		}
	}
	// Somebody has put a third key there, for one of the two profiles.
	third, thirdKey := awsKeyIn(f.mint)
	changed := strings.Replace(strings.Replace(was, old.ID, third, 1), old.Value.Reveal(), thirdKey, 1)
	testPut(t, m, "~/.aws/credentials", changed)
	if err := awsInstall(t.Context(), m, old, new); !errors.Is(err, edit.ErrChanged) || testText(t, m, "~/.aws/credentials") != changed {
		t.Errorf("a third key: %v", err)
	}
	if err := awsForget(t.Context(), m, old); err != nil {
		t.Error(err)
	}
	if text := testText(t, m, "~/.aws/credentials"); strings.Contains(text, old.ID) || strings.Contains(text, old.Value.Reveal()) || !strings.Contains(text, third) || !strings.Contains(text, thirdKey) {
		t.Error("the wrong key was removed")
	}
	if err := os.Remove(m.Abs("~/.aws/credentials")); err != nil {
		t.Fatal(err)
	}
	if err := awsInstall(t.Context(), m, old, new); !errors.Is(err, edit.ErrChanged) {
		t.Errorf("no file: %v", err)
	}
	if err := awsForget(t.Context(), m, old); err != nil {
		t.Errorf("no file: %v", err)
	}
	testShows(t, m, []string{old.Value.Reveal(), key, thirdKey})
}

// TestAWSForgetSession: a session in the CLI's cache goes with its file.
func TestAWSForgetSession(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	file := "~/.aws/cli/cache/0123.json"
	text := `{"Credentials":{"AccessKeyId":"ASIA` + strings.Repeat("A", 16) + `","SecretAccessKey":"` + testRandom(40) + `","SessionToken":"x"}}`
	testPut(t, m, file, text)
	found, err := awsFind(t.Context(), m, nil)
	if err != nil || len(found) != 1 {
		t.Fatal(err, len(found))
	}
	if _, err := awsCreate(t.Context(), m, found[0], "label"); !errors.Is(err, ErrNotPossible) {
		t.Errorf("Create: %v", err)
	}
	testPut(t, m, file, strings.Replace(text, "Secret", "sEcret", 1)+"\n") // still that session
	if err := awsForget(t.Context(), m, found[0]); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(m.Abs(file)); err == nil {
		t.Error("the session is still there")
	}
	testPut(t, m, file, `{"Credentials":{"AccessKeyId":"ASIAX","SecretAccessKey":"another"}}`)
	if err := awsForget(t.Context(), m, found[0]); err != nil || testText(t, m, file) == "" {
		t.Errorf("another session was removed: %v", err)
	}
}

// awsHosts sends every request to a fake, whatever its address.
type awsHosts struct{ to string }

func (h awsHosts) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Scheme != "https" {
		return nil, errors.New("not https")
	}
	again := q.Clone(q.Context())
	again.Host, again.URL.Scheme, again.URL.Host = q.URL.Host, "http", strings.TrimPrefix(h.to, "http://")
	return testTransport().RoundTrip(again)
}

// TestAWSPlaces: who is asked, and for a key without a region all partitions.
func TestAWSPlaces(t *testing.T) {
	t.Parallel()
	public := []string{"sts.amazonaws.com", "iam.amazonaws.com"}
	china := []string{"sts.cn-north-1.amazonaws.com.cn", "iam.cn-north-1.amazonaws.com.cn"}
	for _, c := range []struct {
		name   string
		config string
		env    map[string]string
		dead   bool
		only   string // the key is known there only
		hosts  []string
		want   Answer
		note   string
	}{
		{name: "nothing said", hosts: public, want: Alive},
		{name: "region", config: "[default]\nregion=ap-southeast-2\n", hosts: public, want: Alive},
		{name: "dead", config: "[default]\nregion=eu-west-1\n", dead: true, hosts: public[:1], want: Dead},
		{name: "china", config: "[default]\nregion=cn-northwest-1\n", hosts: china, want: Alive},
		{name: "china by environment", env: map[string]string{"AWS_REGION": "cn-north-1"}, hosts: china, want: Alive},
		{name: "govcloud", config: "[profile default]\nregion = us-gov-east-1\n", hosts: []string{"sts.us-gov-west-1.amazonaws.com", "iam.us-gov.amazonaws.com"}, want: Alive},
		{name: "europe", config: "[default]\nregion = eusc-de-east-1\n", hosts: []string{"sts.eusc-de-east-1.amazonaws.eu", "iam.eusc-de-east-1.amazonaws.eu"}, want: Alive},
		{name: "unknown partition", config: "[default]\nregion = us-isob-east-1\n", want: CouldNotTell, note: "are not known"},
		{name: "evil region", config: "[default]\nregion = x.evil.example/#\n", want: CouldNotTell},
		{name: "dead everywhere", dead: true, hosts: []string{"sts.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com", "sts.eusc-de-east-1.amazonaws.eu"}, want: Dead},
		{name: "alive elsewhere", only: "us-gov", hosts: []string{"sts.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com", "iam.amazonaws.com"}, want: Alive},
		{name: "own addresses", env: map[string]string{"AWS_ENDPOINT_URL_STS": "https://sts.example.com/", "AWS_ENDPOINT_URL": "https://aws.example.com"}, hosts: []string{"sts.example.com", "aws.example.com"}, want: Alive},
		{name: "own address of the profile", config: "[default]\nendpoint_url = https://vpc.example.com\n", dead: true, hosts: []string{"vpc.example.com"}, want: Dead},
		{name: "listened to", env: map[string]string{"AWS_ENDPOINT_URL": "http://aws.example.com"}, want: CouldNotTell, note: "not https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, f, old := awsMachine(t)
			m.Call = call.New(call.Config{Transport: awsHosts{m.Sites["aws"]}, Sleep: func(context.Context, time.Duration) error { return nil }})
			delete(m.Sites, "aws")
			m.Getenv = func(name string) string { return c.env[name] }
			testPut(t, m, "~/.aws/config", c.config)
			old.Facts = Facts{"profile": "default"}
			if c.dead {
				delete(f.keys, old.ID)
			}
			if c.only != "" {
				m.Call = call.New(call.Config{Transport: awsOnly{c.only, awsHosts{m.Sites["aws-sso"]}, old.ID}, Sleep: func(context.Context, time.Duration) error { return nil }})
			}
			id, err := awsIdentify(t.Context(), m, old)
			if id.Answer != c.want || err != nil || !strings.Contains(id.Note, c.note) {
				t.Errorf("%+v %v, want %v", id, err, c.want)
			}
			if d := cmp.Diff(distinct(f.hosts), c.hosts); d != "" {
				t.Errorf("asked (- got, + want):\n%s", d)
			}
		})
	}
}

// awsOnly makes a key unknown everywhere but at hosts with a word in them.
type awsOnly struct {
	host string
	awsHosts
	id string
}

func (h awsOnly) RoundTrip(q *http.Request) (*http.Response, error) {
	if !strings.Contains(q.URL.Host, h.host) {
		q = q.Clone(q.Context())
		q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), h.id, "AKIA"+strings.Repeat("Z", 16), 1))
	}
	return h.awsHosts.RoundTrip(q)
}

// TestAWSCLI: the real CLI and the fake understand each other, and the CLI
// takes what Install has written.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	m, f, old := awsMachine(t)
	ask := func(args ...string) (string, error) {
		c := exec.CommandContext(t.Context(), program, append([]string{"--endpoint-url", m.Sites["aws"], "--region", "us-east-1", "--output", "text"}, args...)...)
		c.Env = append(os.Environ(), "AWS_SHARED_CREDENTIALS_FILE="+m.Abs("~/.aws/credentials"), "AWS_CONFIG_FILE="+m.Abs("~/.aws/config"),
			"HOME="+m.Home, "AWS_PROFILE=terraform", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
		c.Env = slices.DeleteFunc(c.Env, func(s string) bool {
			return strings.HasPrefix(s, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(s, "AWS_SESSION_TOKEN=")
		})
		out, err := c.CombinedOutput()
		return string(out), err
	}
	now := time.Now()
	f.mu.Lock()
	f.now = func() time.Time { return now } // the CLI goes by the real clock
	f.mu.Unlock()
	if out, err := ask("sts", "get-caller-identity"); err != nil || !strings.Contains(out, "user/team/alice") {
		t.Fatalf("before: %v %s", err, out)
	}
	if out, err := ask("iam", "list-access-keys"); err != nil || !strings.Contains(out, old.ID) {
		t.Fatalf("before: %v %s", err, out)
	}
	m.Now = func() time.Time { return now }
	o, err := (&Rotator{Machine: m, Kinds: []Kind{awsKind()}}).Rotate(t.Context(), old, Options{})
	if err != nil || !o.Done {
		t.Fatalf("%v %+v", err, o)
	}
	if out, err := ask("sts", "get-caller-identity"); err != nil || !strings.Contains(out, "user/team/alice") {
		t.Errorf("after: %v %s", err, out)
	}
	testPut(t, m, "~/.aws/credentials", fmt.Sprintf(awsProfiles, old.ID, old.Value.Reveal(), old.ID, old.Value.Reveal()))
	if out, err := ask("sts", "get-caller-identity"); err == nil || !strings.Contains(out, "InvalidClientTokenId") {
		t.Errorf("with the old key: %v %s", err, out)
	}
	testPut(t, m, "~/.aws/credentials", fmt.Sprintf(awsProfiles, f.ids()[0], old.Value.Reveal(), old.ID, old.Value.Reveal()))
	if out, err := ask("sts", "get-caller-identity"); err == nil || !strings.Contains(out, "SignatureDoesNotMatch") {
		t.Errorf("with a wrong secret: %v %s", err, out)
	}
}
