package api_test

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
)

// An alert says that its processes have ended once they have, and not before.
func TestOver(t *testing.T) {
	t.Parallel()
	r := rigWith(t, "")
	user := strconv.Itoa(os.Getuid())
	id := r.raise(user, &wormbell.Process{PID: 4711, Start: time.Unix(1e9, 0), Exe: "/home/u/x"})
	for _, ended := range []bool{false, true} {
		r.ended.Store(ended)
		for _, call := range []string{"alerts", "alerts/" + id} {
			status, out := r.ask("GET", call, "")
			if status != http.StatusOK || strings.Contains(out, `"over":true`) != ended {
				t.Errorf("ended %v: %s: %d %s", ended, call, status, out)
			}
		}
	}
}
