package cli

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wormbell/agent/respond"
	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

// askingRows are n npm tokens of the registry at site, on a machine that reaches
// it.
func askingRows(t *testing.T, site string, n int) (*respond.Machine, []tokenRow) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	transport := &http.Transport{DialContext: new(net.Dialer).DialContext, DisableKeepAlives: true}
	m := &respond.Machine{Home: t.TempDir(), State: t.TempDir(), Getenv: func(string) string { return "" }, Memory: &respond.Memory{}, Now: time.Now, Log: log,
		Call: call.New(call.Config{Transport: transport, Log: log, Limit: time.Hour})} // one try waits longer than any test
	var rows []tokenRow
	for i := range n {
		rows = append(rows, tokenRow{Token: respond.Token{Kind: "npm", Name: fmt.Sprint("npm:", i), Site: site, Value: secret.Of(fmt.Sprint("decoy-token-", i))}, Answer: "not asked"})
	}
	return m, rows
}

// Services are asked all at once: one that answers only when sixteen ask is
// answered by all.
func TestAskAllAtOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	here, most, all := 0, 0, make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if here++; here == 16 {
			close(all)
		}
		most = max(most, here)
		mu.Unlock()
		select {
		case <-all:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	m, rows := askingRows(t, s.URL, 16)
	told := map[int]int{}
	askAll(t.Context(), m, rows, time.Minute, func(i int) { told[i]++ })
	for i, r := range rows {
		if r.Answer != respond.Dead.String() || told[i] != 1 {
			t.Errorf("row %d: %s %q, told %d times", i, r.Answer, r.Note, told[i])
		}
	}
	if most > 16 {
		t.Errorf("%d were asked at once", most)
	}
}

// However many services are silent, the list ends, and says of those that it
// could not be told in time; the others are what they are.
func TestAskAllEnds(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	quick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(quick.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ask := func(n int, wait time.Duration) (rows []tokenRow, out string) {
		m, rows := askingRows(t, silent.URL, n)
		for i := n / 2; i < n; i++ {
			rows[i].Site = quick.URL
		}
		rows[0].Value = secret.Value{}
		rows[0].Note = "It stands in a form that cannot be read."
		var b bytes.Buffer
		p := newPrinter(&b, time.UTC)
		askAll(ctx, m, rows, wait, p.inTurn(rows, false))
		if ctx.Err() != nil {
			t.Fatal("it did not end")
		}
		return rows, b.String()
	}
	for _, n := range []int{2, askAtOnce + 4} { // the latter: silent ones stand before quick ones
		rows, out := ask(n, 4*time.Second)
		if slices.ContainsFunc(rows[n/2:], func(r tokenRow) bool { return r.Answer == respond.CouldNotTell.String() }) {
			rows, out = ask(n, time.Minute) // nobody is quick on a busy machine
		}
		for i, r := range rows {
			switch {
			case i == 0 && r.Answer != "not asked":
				t.Errorf("one without a value: %s", r.Answer)
			case i > 0 && i < n/2 && (r.Answer != respond.CouldNotTell.String() || !strings.Contains(r.Note, "could not be told in time")):
				t.Errorf("silent %d of %d: %s %q", i, n, r.Answer, r.Note)
			case i >= n/2 && r.Answer != respond.Dead.String():
				t.Errorf("quick %d of %d: %s %q", i, n, r.Answer, r.Note)
			}
		}
		last := -1
		for i := range rows {
			at := strings.Index(out, fmt.Sprintf(" npm:%d ", i))
			if at <= last {
				t.Errorf("the list is not in order:\n%s", out)
			}
			last = at
		}
	}
}
