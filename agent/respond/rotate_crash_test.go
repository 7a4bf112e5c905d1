package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell"
	"wormbell/agent/respond/call"
	"wormbell/agent/respond/journal"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// rotateScenes are the rotations that are killed, cut off and cancelled at each
// step.
var rotateScenes = []struct {
	name    string
	kind    func(*Kind)
	service func(*rotateService)
	options Options
	neither bool // neither token may work in between
	lost    bool // a new token whose answer was lost cannot be revoked: a person is told
	nothing bool // and none is wanted in the end
}{
	{name: "rotate"},
	{name: "slow death", service: func(s *rotateService) { s.slow = 3 }},
	{name: "create kills", kind: func(k *Kind) { k.CreateKills, k.Lost = true, nil }, service: func(s *rotateService) { s.kills = true }, neither: true, lost: true},
	{name: "by hand", kind: func(k *Kind) { k.Create, k.Lost, k.Revoke = nil, nil, nil }},
	{name: "contain now", options: Options{ContainNow: true}, neither: true},
	{name: "revoke only", options: Options{RevokeOnly: true}, nothing: true},
}

// rotateSecrets is where the secrets of one such rotation are kept: a sealed
// file, so that it outlives the process.
func rotateSecrets(m *Machine, step func(string)) (keychain.Store, error) {
	s, err := keychain.OpenSealed(filepath.Join(m.Home, "sealed", "secrets"), secret.Of("passphrase"),
		keychain.SealedConfig{WorkFactor: 1, Step: func(name string) { step("sealed: " + name) }})
	return &rotateStore{s, step}, err
}

// rotateStore calls step around each call.
type rotateStore struct {
	keychain.Store
	step func(string)
}

func (s *rotateStore) Get(ctx context.Context, service, account string) (secret.Value, error) {
	s.step("get " + account)
	return s.Store.Get(ctx, service, account)
}

func (s *rotateStore) Set(ctx context.Context, service, account string, v secret.Value) error {
	s.step("before set " + account)
	defer s.step("after set " + account)
	return s.Store.Set(ctx, service, account, v)
}

func (s *rotateStore) Delete(ctx context.Context, service, account string) error {
	s.step("before delete " + account)
	defer s.step("after delete " + account)
	return s.Store.Delete(ctx, service, account)
}

// rotateTransport calls step around each request.
type rotateTransport struct {
	http.RoundTripper
	step func(string)
}

func (t *rotateTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.step("before request " + r.URL.Path)
	a, err := t.RoundTripper.RoundTrip(r)
	t.step("after request " + r.URL.Path)
	return a, err
}

// rotateChild is what a child process is told, in the environment.
type rotateChild struct {
	Home, State, URL string
	Scene            int
	At               int // the step at which it kills itself, from 1; 0: never
}

const rotateChildVar = "WORMBELL_TEST_ROTATION"

// TestRotateChild is no test: it is the process that the kill tests kill.
func TestRotateChild(t *testing.T) {
	told := os.Getenv(rotateChildVar)
	if told == "" {
		t.Skip("it is run by TestRotateKilled")
	}
	var c rotateChild
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var steps []string
	step := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, name)
		if len(steps) == c.At {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			self.Kill()
			select {} // it takes a moment
		}
	}
	scene := rotateScenes[c.Scene]
	m := testMachine(t)
	m.Home, m.State, m.Sites["fake"] = c.Home, c.State, c.URL
	clock := &testClock{now: time.Now().UTC()}
	m.Now = clock.Now
	m.Call = call.New(call.Config{Transport: &rotateTransport{testTransport(), step}, Log: m.Log, Sleep: clock.Sleep})
	keys, err := rotateSecrets(m, step)
	if err != nil {
		t.Fatal(err)
	}
	m.Keys = keys
	rotateHand(m, c.URL)
	k := rotateKind(step)
	if scene.kind != nil {
		scene.kind(&k)
	}
	found, err := Find(t.Context(), m, []Kind{k}, nil)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	noted := rotateNotes(t, m)
	did := func(alert string, did wormbell.Action) {
		step("before note " + did.What)
		noted(alert, did)
		step("after note " + did.What)
	}
	o, err := (&Rotator{Machine: m, Kinds: []Kind{k}, step: step, Did: did}).Rotate(t.Context(), found[0], scene.options)
	if err != nil || !o.Done {
		t.Fatalf("%v: %+v", err, o)
	}
	if err := os.WriteFile(filepath.Join(c.Home, "steps"), []byte(strings.Join(steps, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRotateKilled(t *testing.T) {
	t.Parallel()
	for n := range rotateScenes {
		t.Run(rotateScenes[n].name, func(t *testing.T) {
			t.Parallel()
			all := rotateKillAt(t, n, 0)
			if len(all) < 40 {
				t.Fatalf("there are only %d steps: %q", len(all), all)
			}
			for at := 1; at <= len(all); at += rotateStride() {
				t.Run(strconv.Itoa(at)+" "+all[at-1], func(t *testing.T) { rotateKillAt(t, n, at) })
			}
		})
	}
}

// rotateStride is 1: each step.
func rotateStride() int {
	if testing.Short() {
		return 7
	}
	return 1
}

// rotateKillAt runs a scene in a child that is killed at a step, goes on with
// it, and looks whether all is well. It returns the steps of a child that was
// not killed.
func rotateKillAt(t *testing.T, scene, at int) []string {
	t.Helper()
	m, s := rotateSceneMachine(t, scene)
	old := rotatePut(t, m, s)
	told, err := json.Marshal(rotateChild{m.Home, m.State, s.URL, scene, at})
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRotateChild$", "-test.count=1")
	child.Env = append(os.Environ(), rotateChildVar+"="+string(told), "TMPDIR="+t.TempDir()) // who is killed does not tidy up
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if killed := errors.As(err, &exit) && !exit.Exited(); killed != (at > 0) || err != nil && !killed && exit == nil {
		t.Fatalf("child: %v\n%s", err, out)
	} else if !killed && err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	for _, v := range s.values() {
		if strings.Contains(string(out), v) {
			t.Error("the child shows a secret")
		}
	}
	rotateGoOn(t, m, s, scene, old)
	if at > 0 {
		return nil
	}
	steps, err := os.ReadFile(filepath.Join(m.Home, "steps"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(steps), "\n")
}

func rotateSceneMachine(t *testing.T, scene int) (*Machine, *rotateService) {
	t.Helper()
	m, s := testMachine(t), newRotateService(t)
	if set := rotateScenes[scene].service; set != nil {
		set(s)
	}
	return m, s
}

func rotateSceneRotator(t *testing.T, m *Machine, scene int) *Rotator {
	t.Helper()
	k := rotateKind(nil)
	if set := rotateScenes[scene].kind; set != nil {
		set(&k)
	}
	return &Rotator{Machine: m, Kinds: []Kind{k}, Did: rotateNotes(t, m)}
}

// rotateNotes is where what was done is noted, as an alert notes it: it outlives
// the process.
func rotateNotes(t *testing.T, m *Machine) func(string, wormbell.Action) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(m.Home, "noted"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return func(_ string, did wormbell.Action) { fmt.Fprintf(f, "%s: %s\n", did.What, did.Outcome) }
}

// rotateGoOn checks that what an interrupted rotation says is true, goes on
// with it to the end, and checks that nothing was lost and nothing is left.
func rotateGoOn(t *testing.T, m *Machine, s *rotateService, scene int, old Token) {
	t.Helper()
	keys, err := rotateSecrets(m, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	m.Keys = keys
	rotateHand(m, s.URL)
	r := rotateSceneRotator(t, m, scene)
	for range 5 {
		all, err := r.Unfinished()
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 0 {
			break
		}
		if len(all) > 1 {
			t.Fatalf("%d rotations", len(all))
		}
		rotateTrue(t, m, s, scene, all[0], old)
		o, err := r.Resume(t.Context(), all[0].ID)
		t.Logf("%s, works: %s: %s %v", o.State, o.Works, o.Sentence, err)
		if err != nil {
			t.Error(err)
		}
		rotateTrue(t, m, s, scene, o, old)
		testShows(t, m, append(s.values(), "also-"+testAlso), err)
	}
	if all, err := r.History(); err != nil || len(all) == 0 || all[0].Abandoned {
		// It was stopped before it began.
		if alive := s.alive(); rotateStands(t, m) != old.Value.Reveal() || len(alive) != 1 || alive[0] != old.Value.Reveal() {
			t.Error("it never began, and something was done")
		}
		if o, err := r.Rotate(t.Context(), old, rotateScenes[scene].options); err != nil || !o.Done {
			t.Errorf("%v: %+v", err, o)
		}
	}
	rotateEnd(t, m, s, scene, old)
}

// rotateTrue checks what an Outcome says against the service.
func rotateTrue(t *testing.T, m *Machine, s *rotateService, scene int, o Outcome, old Token) {
	t.Helper()
	stands := rotateStands(t, m)
	oldAlive, newAlive := false, false
	for _, v := range s.alive() {
		if v == old.Value.Reveal() {
			oldAlive = true
		} else if v == stands || rotateKeeps(t, m, o.ID, v) {
			newAlive = true
		}
	}
	ok := true
	switch o.Works {
	case OldWorks:
		ok = oldAlive
	case NewWorks:
		ok = newAlive
	case BothWork:
		ok = oldAlive && newAlive
	case PerhapsNeither:
		ok = rotateScenes[scene].neither
	case NoneWanted:
		ok = rotateScenes[scene].nothing
	default:
		ok = false
	}
	if !ok {
		t.Errorf("it says that %q works; old alive: %v, new alive: %v: %+v", o.Works, oldAlive, newAlive, o)
	}
	if !oldAlive && !newAlive && !rotateScenes[scene].nothing && o.Works != PerhapsNeither {
		t.Errorf("neither works, and it says %q", o.Works)
	}
	if o.Works == PerhapsNeither && len(o.Pages) == 0 {
		t.Error("perhaps neither works, and it names no page")
	}
	if o.Done && (o.Pending || o.Problem != "") || !o.Done && len(o.Left) == 0 {
		t.Errorf("%+v", o)
	}
}

func rotateKeeps(t *testing.T, m *Machine, id, value string) bool {
	if id == "" {
		return false
	}
	new, err := recall(t.Context(), m.Keys, id, "new")
	return err == nil && new.Value.Reveal() == value
}

// rotateEnd checks that all is well after the end.
func rotateEnd(t *testing.T, m *Machine, s *rotateService, scene int, old Token) {
	t.Helper()
	all, err := rotateSceneRotator(t, m, scene).History()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	stands, alive := rotateStands(t, m), s.alive()
	unused := 0 // by us; what a person made and we never got is the person's
	for _, v := range alive {
		s.set(func(s *rotateService) {
			if v != stands && s.find(v).label != rotateByHand {
				unused++
			}
		})
	}
	switch {
	case !all[0].Done:
		t.Errorf("it did not come to its end: %+v", all[0])
	case rotateScenes[scene].nothing:
		if stands != "" || len(alive) != 0 {
			t.Errorf("the token stands there (%v) or is alive (%v)", stands != "", len(alive) != 0)
		}
	default:
		works := false
		for _, v := range alive {
			works = works || v == stands
			if v == old.Value.Reveal() {
				t.Error("the old token is alive")
			}
		}
		if !works {
			t.Error("what stands in the file does not work")
		}
		if left := strings.Join(all[0].Left, " "); unused > 0 && !(rotateScenes[scene].lost && strings.Contains(left, "wormbell-"+all[0].ID)) {
			t.Errorf("%d tokens are alive that nobody has", unused)
		}
	}
	if found, err := filepath.Glob(filepath.Join(m.Home, "sealed", "secrets*")); err != nil || len(found) > 1 || len(found) == 1 && !strings.HasSuffix(found[0], ".lock") {
		t.Errorf("secrets are left: %v %v", found, err)
	}
	if found, err := filepath.Glob(filepath.Join(m.State, "rotations", "*.new")); err != nil || len(found) > 0 {
		t.Errorf("temporary files are left: %v", found)
	}
	if found, err := filepath.Glob(filepath.Join(m.State, "rotations", "??????????.lock")); err != nil || len(found) > 1 {
		t.Errorf("locks are left: %v", found) // one, if it died between its end and letting go
	}
	noted, err := os.ReadFile(filepath.Join(m.Home, "noted"))
	if err != nil {
		t.Fatal(err)
	}
	installed := regexp.MustCompile(`(?m)^fake-token-install: the new token stands in `)
	dead := regexp.MustCompile(`(?m)^fake-token-dead: (the service|a person) |^fake-token-create: .* killed the old one`)
	if !rotateScenes[scene].nothing && !installed.Match(noted) || !dead.Match(noted) {
		t.Errorf("the alert was told no more than this:\n%s", noted)
	}
	testShows(t, m, append(s.values(), "also-"+testAlso))
}

// rotateCut cuts the network at the request of number at, from 1, and if it
// lasts at all that follow.
type rotateCut struct {
	http.RoundTripper
	how   string
	at    int
	lasts bool

	mu   sync.Mutex
	sent int
}

var rotateCuts = []string{"before it is sent", "before the answer", "in the middle of the answer"}

func (c *rotateCut) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.sent++
	cut := c.sent == c.at || c.lasts && c.sent > c.at && c.at > 0
	first := c.sent == c.at
	c.mu.Unlock()
	if cut && (c.how == rotateCuts[0] || !first) { // what comes after the cut is not even sent
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")}
	}
	a, err := c.RoundTripper.RoundTrip(r)
	if !cut || err != nil {
		return a, err
	}
	if c.how == rotateCuts[1] {
		a.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	a.Body = &rotateHalf{a.Body, int(max(a.ContentLength, 2) / 2)}
	return a, nil
}

// rotateHalf is a body that breaks off.
type rotateHalf struct {
	io.ReadCloser
	left int
}

func (h *rotateHalf) Read(b []byte) (int, error) {
	if h.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := h.ReadCloser.Read(b[:min(len(b), h.left)])
	h.left -= n
	return n, err
}

func TestRotateCutOff(t *testing.T) {
	t.Parallel()
	for n := range rotateScenes {
		t.Run(rotateScenes[n].name, func(t *testing.T) {
			t.Parallel()
			requests := rotateCutAt(t, n, &rotateCut{RoundTripper: testTransport()})
			if requests < 3 {
				t.Fatalf("there are only %d requests", requests)
			}
			for at := 1; at <= requests; at++ {
				for _, how := range rotateCuts {
					for _, lasts := range []bool{false, true} {
						t.Run(fmt.Sprintf("%d %s, lasting: %v", at, how, lasts), func(t *testing.T) {
							rotateCutAt(t, n, &rotateCut{RoundTripper: testTransport(), how: how, at: at, lasts: lasts})
						})
					}
				}
			}
		})
	}
}

// rotateCutAt runs a scene while the network is cut, then goes on with it when
// it is back. It returns how many requests were sent.
func rotateCutAt(t *testing.T, scene int, cut *rotateCut) int {
	t.Helper()
	m, s := rotateSceneMachine(t, scene)
	old := rotatePut(t, m, s)
	whole := m.Call
	clock := &testClock{now: time.Now().UTC()}
	m.Now, m.Call = clock.Now, call.New(call.Config{Transport: cut, Log: m.Log, Sleep: clock.Sleep})
	keys, err := rotateSecrets(m, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	m.Keys = keys
	rotateHand(m, s.URL)
	o, err := rotateSceneRotator(t, m, scene).Rotate(t.Context(), old, rotateScenes[scene].options)
	t.Logf("%s, works: %s: %s %v", o.State, o.Works, o.Sentence, err)
	rotateTrue(t, m, s, scene, o, old)
	testShows(t, m, append(s.values(), "also-"+testAlso), err)
	if o.State == journal.Abandoned {
		t.Errorf("a cut network made it give up: %v", err)
	}
	m.Call = whole
	rotateGoOn(t, m, s, scene, old)
	return cut.sent
}

// TestRotateCancelled ends ctx at each step instead.
func TestRotateCancelled(t *testing.T) {
	t.Parallel()
	for n := range rotateScenes {
		t.Run(rotateScenes[n].name, func(t *testing.T) {
			t.Parallel()
			steps := rotateCancelAt(t, n, 0)
			for at := 1; at <= steps; at += rotateStride() {
				t.Run(strconv.Itoa(at), func(t *testing.T) { rotateCancelAt(t, n, at) })
			}
		})
	}
}

func rotateCancelAt(t *testing.T, scene, at int) int {
	t.Helper()
	m, s := rotateSceneMachine(t, scene)
	old := rotatePut(t, m, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	step := func(string) {
		if n++; n == at {
			cancel()
		}
	}
	clock := &testClock{now: time.Now().UTC()}
	m.Now, m.Call = clock.Now, call.New(call.Config{Transport: &rotateTransport{testTransport(), step}, Log: m.Log, Sleep: clock.Sleep})
	keys, err := rotateSecrets(m, step)
	if err != nil {
		t.Fatal(err)
	}
	m.Keys = keys
	rotateHand(m, s.URL)
	r := rotateSceneRotator(t, m, scene)
	r.step = step
	o, err := r.Rotate(ctx, old, rotateScenes[scene].options)
	if at > 0 && err == nil && !o.Done && !o.Pending {
		t.Errorf("cancelled, no error: %+v", o)
	}
	if o.ID != "" {
		rotateTrue(t, m, s, scene, o, old)
	}
	rotateGoOn(t, m, s, scene, old)
	return n
}
