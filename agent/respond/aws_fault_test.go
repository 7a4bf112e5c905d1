package respond

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

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
		faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
			w := start(t, b)
			return w.f, w.m, w.old
		}, faultTruth(Alive), awsIdentify)
	})
	for _, dead := range []bool{false, true} {
		t.Run(fmt.Sprintf("is dead, %v", dead), func(t *testing.T) {
			t.Parallel()
			faultAnswer(t, func(t *testing.T, b *faultBench) (http.Handler, *Machine, Token) {
				w := start(t, b)
				w.old.Facts["region"] = "eu-west-1"
				if dead {
					delete(w.f.keys, w.old.ID)
				}
				return w.f, w.m, w.old
			}, func(t *testing.T, r faultRun) []Answer {
				switch {
				case r.Lasting:
					return []Answer{CouldNotTell}
				case dead:
					return faultTruth(Dead)(t, r)
				}
				return faultTruth(Alive)(t, r)
			}, faultBare(awsIsDead))
		})
	}
	cloudKeyFaults(t, awsKind(), "Active", "CreateAccessKey", func(t *testing.T, b *faultBench) cloudSubject {
		w := start(t, b)
		return cloudSubject{w.f, w.m, w.old, func() Token { second(w); return w.new }}
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
}
