package api_test

import (
	"os"
	"slices"
	"testing"

	"wormbell"
)

// TestFirstUseRows: the row of a tool in a home is taken back like another, and
// to trust one anew that has fallen is as much as to add a row.
func TestFirstUseRows(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to be another user")
	}
	r := newRig(t)
	r.says(signed(bash, "root"))
	r.mu.Lock()
	r.rows = []wormbell.TrustRow{{ID: "stands", By: "first-use"}, {ID: "fallen", By: "first-use"}, {ID: "filerow", By: "admin", File: "/etc/wormbell/trust.d/x.toml"}}
	r.mu.Unlock()
	for _, tc := range []struct {
		id     string
		uid    int
		locked bool
		want   int
	}{
		{"stands", nobody, false, 200},
		{"fallen", nobody, false, 200},
		{"stands", nobody, true, 200},
		{"fallen", nobody, true, 403},
		{"fallen", 0, true, 403},
		{"filerow", nobody, false, 403},
		{"npm-reads-npmrc", nobody, false, 404},
		{"nothing", nobody, false, 404},
	} {
		r.mu.Lock()
		r.locks = nil
		if tc.locked {
			r.locks = map[string]string{"trust": "/etc/wormbell/conf.d/50-fleet.toml"}
		}
		r.mu.Unlock()
		if status, out := r.askAs(tc.uid, "DELETE", "trust/"+tc.id, ""); status != tc.want {
			t.Errorf("%s by uid %d, locked %v: %d %s", tc.id, tc.uid, tc.locked, status, out)
		}
	}
	// From below an installer nobody takes anything back.
	r.says(func(pid int) *wormbell.Process {
		return &wormbell.Process{PID: pid, Exe: "/home/me/x", Parent: &wormbell.Process{PID: 3, Exe: "/usr/bin/node", Script: "/usr/bin/npm", Signer: "root", Args: []string{"node", "/usr/bin/npm", "install"}}}
	})
	if status, out := r.askAs(nobody, "DELETE", "trust/fallen", ""); status != 403 {
		t.Errorf("from below npm: %d %s", status, out)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := []string{"stands by 65534", "fallen by 65534", "stands by 65534"}; !slices.Equal(r.forgot, want) {
		t.Errorf("taken back: %q, not %q", r.forgot, want)
	}
}
