package respond

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"wormbell/agent/respond/call"
)

// TestFaults sees to it that the harness makes the faults that it names.
func TestFaults(t *testing.T) {
	t.Parallel()
	var ran atomic.Int32
	for _, repeatable := range []bool{false, true} {
		sent := faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
			ran.Add(1)
			token := b.Token("tok_", 36)
			var effects int
			var answer *call.Response
			return faultSubject{
				Service: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					if q.Header.Get("Authorization") != "Bearer "+token {
						t.Error("the service does not get what was sent")
					}
					effects++
					_, _ = w.Write([]byte(`{"fine": "` + token + `"}`))
				}),
				Run: func(ctx context.Context) (err error) {
					answer, err = b.Call.Do(ctx, call.Request{
						Method: "POST", URL: b.URL + "/x", What: "try", Repeatable: repeatable,
						Header: http.Header{"Authorization": {"Bearer " + token}}, Body: []byte(token),
					})
					return err
				},
				After: func(t *testing.T, r faultRun) {
					var lost *call.LostError
					var unsent *call.NotSentError
					want := "answer"
					switch r.Fault {
					case "not reached":
						want = "not sent"
					case "time-out before", "time-out after", "cut before", "cut after", "half", "huge":
						want = "lost"
					case "cancelled before", "cancelled after":
						if want = "lost"; repeatable {
							want = "cancelled"
						}
					}
					again := repeatable && (want == "lost" || want == "not sent" || r.Status >= 500 || r.Fault == "429")
					tries := 1
					if again && r.Lasting {
						tries = 4
					} else if again {
						tries, want = 2, "answer"
					}
					got := "other"
					switch {
					case r.Err == nil && answer != nil:
						got = "answer"
					case errors.As(r.Err, &lost):
						got = "lost"
					case errors.As(r.Err, &unsent):
						got = "not sent"
					case errors.Is(r.Err, context.Canceled):
						got = "cancelled"
					}
					if got != want {
						t.Errorf("got %s, want %s: %v", got, want, r.Err)
					}
					if len(r.Sent) != tries {
						t.Errorf("sent %d times, want %d", len(r.Sent), tries)
					}
					if r.Status != 0 && !again && answer != nil && answer.Status != r.Status {
						t.Errorf("status %d, want %d", answer.Status, r.Status)
					}
					if r.Effect && effects == 0 {
						t.Error("told of an effect that was none")
					}
					if !repeatable && !r.Effect && r.Fault != "" && effects != 0 {
						t.Error("an effect that was not told of")
					}
				},
			}
		})
		if len(sent) != 1 || sent[0] != "POST /x" {
			t.Errorf("sent %q", sent)
		}
	}
	if want := int32(2 * (1 + 2*len(faults()))); ran.Load() != want {
		t.Errorf("%d runs, want %d", ran.Load(), want)
	}
}

// TestFaultsOfOthers: who looks for a server that had the port before is not
// taken for the operation.
func TestFaultsOfOthers(t *testing.T) {
	t.Parallel()
	asked := 0
	sent := faultEach(t, func(t *testing.T, b *faultBench) faultSubject {
		b.Canary(testRandom(20))
		return faultSubject{
			Service: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked++; w.Write([]byte("{}")) }),
			Run: func(ctx context.Context) error {
				res, err := http.Get(b.URL + "/-/ping")
				if err != nil {
					return err
				}
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					t.Error("it was answered")
				}
				_, err = b.Call.Do(ctx, call.Request{Method: "GET", URL: b.URL + "/x", What: "ask"})
				return err
			},
		}
	})
	if len(sent) != 1 || sent[0] != "GET /x" || asked == 0 {
		t.Errorf("sent %q, asked %d times", sent, asked)
	}
}
