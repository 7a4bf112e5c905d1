package persistence

import "testing"

// parseSystem parses what only this system has.
func parseSystem(b []byte) {
	var p process
	p.readStat(b)
	parseSockets(b, map[uint64]string{})
	unitOf(string(b))
	realUID(b)
}

func TestUnitOf(t *testing.T) {
	t.Parallel()
	for cgroup, want := range map[string]string{
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n":                  "x.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-terminal-1.scope\n": "",
		"0::/user.slice/user-1000.slice/user@1000.service/session.slice/dbus.service\n":           "dbus.service",
		"0::/user.slice/user-1000.slice/session-2.scope\n":                                        "",
		"0::/system.slice/cron.service\n":                                                         "",
		"3:cpu:/\n1:name=systemd:/user.slice/user-1000.slice/user@1000.service/x.service\n0::/\n": "x.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-q.slice/q@1.service\n":    "q@1.service",
		"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n":                           "",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/payload/inner\n":    "x.service",
	} {
		if got := unitOf(cgroup); got != want {
			t.Errorf("%q: got %q, want %q", cgroup, got, want)
		}
	}
}
