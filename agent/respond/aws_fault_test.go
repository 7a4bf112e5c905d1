package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// TestAWSFaults: whatever goes wrong, at least one of the two keys works, only
// a refusal by name is a dead key, and no second key is made blindly.
func TestAWSFaults(t *testing.T) {
	t.Parallel()
	type world struct {
		f   *awsFake
		m   *Machine
		old Token
		new Token
	}
	start := func(t *testing.T, b *faultBench) *world {
		m := b.Machine(t, "aws")
		f := newAWSFake(m.Now, b.Token)
		w := &world{f: f, m: m, old: awsPut(t, m, f)}
		id, key := awsKeyIn(b.Token)
		w.new = w.old
		w.new.ID, w.new.Value = id, secret.Of(key)
		return w
	}
	second := func(w *world) {
		w.f.keys[w.new.ID] = &awsFakeKey{user: "alice", secret: w.new.Value.Reveal(), status: "Active", created: w.f.now().Add(-time.Hour)}
	}
	t.Run("identify", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			var id Identity
			return faultSubject{Service: w.f, Run: func(ctx context.Context) (err error) { id, err = awsIdentify(ctx, w.m, w.old); return err },
				After: func(t *testing.T, r faultRun) {
					if id.Answer == Dead || r.Err != nil && !errors.Is(r.Err, context.Canceled) || id.Answer == CouldNotTell && r.Err == nil && id.Note == "" {
						t.Errorf("%+v %v", id, r.Err)
					}
				}}
		})
	})
	t.Run("is dead", func(t *testing.T) {
		t.Parallel()
		for _, dead := range []bool{false, true} {
			faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
				w := start(t, b)
				w.old.Facts["region"] = "eu-west-1"
				if dead {
					delete(w.f.keys, w.old.ID)
				}
				var a Answer
				return faultSubject{Service: w.f, Run: func(ctx context.Context) (err error) { a, err = awsIsDead(ctx, w.m, w.old); return err },
					After: func(t *testing.T, r faultRun) {
						if r.Lasting && a != CouldNotTell || !dead && a == Dead || dead && a == Alive || r.Fault == "" && a == CouldNotTell {
							t.Errorf("%v", a)
						}
					}}
			})
		}
	})
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			var made Token
			return faultSubject{Service: w.f, Run: func(ctx context.Context) (err error) { made, err = awsCreate(ctx, w.m, w.old, "label"); return err },
				After: func(t *testing.T, r faultRun) {
					if w.f.count("CreateAccessKey") > 1 {
						t.Error("a key was asked for twice")
					}
					if (r.Err == nil) == made.Value.Empty() || w.f.state(w.old.ID) != "Active" {
						t.Errorf("no key and no error, or both: %v", r.Err)
					}
					made := w.f.ids(w.old.ID)
					if r.Err == nil {
						return
					}
					// A key that was made is one of which the error says that it may have been.
					var lost *call.LostError
					if len(made) > 0 && !errors.As(r.Err, &lost) {
						t.Errorf("a key was made, and the error does not say that it may have been: %v", r.Err)
					}
					// It is found when all works again, and nothing else is.
					w.m.Call = call.New(call.Config{Sleep: func(context.Context, time.Duration) error { return nil }, Log: w.m.Log})
					server := httptest.NewServer(w.f)
					defer server.Close()
					w.m.Sites["aws"] = server.URL
					found, err := awsLost(t.Context(), w.m, w.old, "label")
					if err != nil || found != (len(made) > 0) || len(w.f.ids()) != 1 || w.f.state(w.old.ID) != "Active" {
						t.Errorf("found %v of %d: %v; left %v", found, len(made), err, w.f.ids())
					}
				}}
		})
	})
	t.Run("two keys", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			second(w)
			testPersonAt(w.m, true)
			return faultSubject{Service: w.f, Run: func(ctx context.Context) error { _, err := awsCreate(ctx, w.m, w.old, "label"); return err },
				After: func(t *testing.T, r faultRun) {
					if w.f.count("CreateAccessKey") > 1 || w.f.state(w.old.ID) != "Active" {
						t.Error("a key was asked for twice, or the old one is gone")
					}
				}}
		})
	})
	t.Run("lost", func(t *testing.T) {
		t.Parallel()
		faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			second(w)
			w.f.keys[w.new.ID].created = w.f.now()
			if err := cloudWrite(w.m, "aws", "label", cloudBefore{At: w.f.now(), Known: []string{w.old.ID}}); err != nil {
				t.Fatal(err)
			}
			var found bool
			return faultSubject{Service: w.f, Run: func(ctx context.Context) (err error) { found, err = awsLost(ctx, w.m, w.old, "label"); return err },
				After: func(t *testing.T, r faultRun) {
					if w.f.state(w.old.ID) != "Active" {
						t.Error("the old key is gone")
					}
					if gone := w.f.state(w.new.ID) == ""; r.Err == nil && found != gone {
						t.Errorf("found %v, gone %v", found, gone)
					}
					if _, noted, _ := cloudNoted(w.m, "aws", "label"); !noted && w.f.state(w.new.ID) != "" {
						t.Error("nobody will look for it again")
					}
				}}
		})
	})
	for _, self := range []bool{false, true} {
		t.Run(fmt.Sprintf("revoke, self %v", self), func(t *testing.T) {
			t.Parallel()
			faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
				w := start(t, b)
				by := Token{}
				if !self {
					second(w)
					by = w.new
				}
				return faultSubject{Service: w.f, Run: func(ctx context.Context) error { return awsRevoke(ctx, w.m, w.old, by) },
					After: func(t *testing.T, r faultRun) {
						if !self && w.f.state(by.ID) != "Active" {
							t.Error("the new key is gone")
						}
						if state := w.f.state(w.old.ID); r.Err == nil && state == "Active" {
							t.Error("it is said to be revoked, and is active")
						}
					}}
			})
		})
	}
	// Whatever goes wrong, the key that stands in the file works, unless the
	// rotation says that it may not.
	t.Run("rotate", func(t *testing.T) {
		t.Parallel()
		cloudEach(t, func(t *testing.T, b *faultBench) faultSubject {
			w := start(t, b)
			var o Outcome
			return faultSubject{Service: w.f,
				Run: func(ctx context.Context) (err error) {
					o, err = (&Rotator{Machine: w.m, Kinds: []Kind{awsKind()}}).Rotate(ctx, w.old, Options{})
					return err
				},
				After: func(t *testing.T, r faultRun) {
					found, err := awsFind(t.Context(), w.m, nil)
					if err != nil || len(found) != 2 || w.f.state(found[0].ID) != "Active" {
						t.Fatalf("the key in its place does not work: %+v %v", o, r.Err)
					}
					moved := found[0].ID != w.old.ID
					if o.Works == NewWorks && !moved || o.Works == OldWorks && moved || o.Done && (!moved || w.f.state(w.old.ID) == "Active") {
						t.Errorf("it says that %s works, and moved is %v, done %v", o.Works, moved, o.Done)
					}
					if r.Fault == "" && !o.Done {
						t.Errorf("%+v %v", o, r.Err)
					}
					// What was made is in its place, or known to be left over.
					if orphans := len(w.f.ids(w.old.ID, found[0].ID)); orphans > 0 && len(o.Left) == 0 && r.Err == nil {
						t.Errorf("%d keys that nobody has, and nobody is told", orphans)
					}
				}}
		})
	})
}

// cloudEach is faultEach with the faults that differ in what a rotation makes of
// them: each run of one writes a journal to the disk many times.
func cloudEach(t *testing.T, start func(*testing.T, *faultBench) faultSubject) {
	t.Helper()
	clean := faultOnce(t, start, faultMeans{}, -1, false)
	for at, request := range clean.Sent {
		for _, f := range faults() {
			switch f.name {
			case "403", "500", "cut before", "time-out after", "garbage", "cancelled after", "not reached":
			default:
				continue
			}
			for _, lasting := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s at %d %s, lasting %v", f.name, at, request, lasting), func(t *testing.T) {
					faultOnce(t, start, f, at, lasting)
				})
			}
		}
	}
}
