package persistence

import "testing"

// TestOfLogin: what every login has of the user's that nobody can look into is not
// worth a line; whatever else hides itself is.
func TestOfLogin(t *testing.T) {
	t.Parallel()
	manager := process{pid: 900, ppid: 1, start: 5000, name: "systemd", exe: "/usr/lib/systemd/systemd", args: []string{"/usr/lib/systemd/systemd", "--user"}}
	for _, tt := range []struct {
		name string
		p    process
		with []process
		want bool
	}{
		{"PAM's", process{pid: 901, ppid: 900, start: 5001, name: "(sd-pam)"}, nil, true},
		{"sshd's", process{pid: 802, ppid: 801, start: 6000, name: "sshd"}, []process{{pid: 801, ppid: 800, root: true, name: "sshd-session"}}, true},
		{"one that is called like PAM's and was orphaned", process{pid: 950, ppid: 900, start: 9000, name: "(sd-pam)"}, nil, false},
		{"one beside PAM's", process{pid: 950, ppid: 900, start: 5002, name: "(sd-pam)"}, []process{{pid: 901, ppid: 900, start: 5001, name: "(sd-pam)"}}, false},
		{"below a systemd of somebody's own", process{pid: 951, ppid: 950, start: 9000}, []process{{pid: 950, ppid: 1, start: 9000, name: "systemd", exe: "/home/me/systemd", args: []string{"systemd", "--user"}}}, false},
		{"one that is called like sshd's", process{pid: 951, ppid: 950, start: 9000, name: "sshd"}, []process{{pid: 950, ppid: 1, name: "sshd"}}, false},
		{"root's other programs' children", process{pid: 951, ppid: 950, start: 9000}, []process{{pid: 950, ppid: 1, root: true, name: "cron"}}, false},
		{"init's child", process{pid: 951, ppid: 1, start: 9000, name: "sshd"}, nil, false},
		{"nobody's child", process{pid: 951, ppid: 77, start: 9000, name: "sshd"}, nil, false},
	} {
		tt.p.shut = true
		all := map[int]*process{1: {pid: 1, root: true, name: "sshd"}, manager.pid: &manager, tt.p.pid: &tt.p}
		for _, o := range tt.with {
			all[o.pid] = &o
		}
		if got := ofLogin(&tt.p, all); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
