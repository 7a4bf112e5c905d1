package main

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTrayInSessions: the tray starts in the sessions of persons who have a
// desktop, and a manager that does not answer holds nothing up.
func TestTrayInSessions(t *testing.T) {
	j := newJail(t)
	functions, err := os.ReadFile("../../packaging/scripts/tray.sh")
	if err != nil {
		t.Fatal(err)
	}
	const machine = `
mkdir -p /run/systemd/system /state
for uid in 0 1000 1001 1002 1003 1004 x; do mkdir -p /run/user/$uid/systemd; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die' /run/user/$uid/systemd/private; done
rm /run/user/1004/systemd/private # no manager runs there
rm -f /usr/bin/systemctl
cat >/usr/bin/systemctl <<'EOF'
#!/bin/sh
case "$*" in
"--global is-enabled wormbell-tray.service") cat /state/enabled ;;
*1003@*) echo "$*" >>/state/log; exec sleep 3600 ;; # a manager that does not answer
*"1000@.host show-environment"*) printf 'HOME=/home/a\nDISPLAY=:0\n' ;;
*"1002@.host show-environment"*) printf 'WAYLAND_DISPLAY=wayland-0\n' ;;
*"@.host show-environment"*) printf 'HOME=/root\nMY_DISPLAY=:0\n' ;;
*daemon-reload*) ;;
*) echo "$*" >>/state/log ;;
esac
EOF
chmod +x /usr/bin/systemctl; : >/state/log
`
	const silent = "The session of user 1003 does not answer: the tray there stays as it is until the next login.\n"
	for name, c := range map[string]struct{ enabled, do, want string }{
		"installed": {"enabled", "tray_installed",
			silent + "--user -M 1000@.host --no-block start wormbell-tray.service\n--user -M 1002@.host --no-block start wormbell-tray.service\n--user -M 1003@.host daemon-reload\n"},
		"disabled by a preset": {"disabled", "tray_installed", ""},
		"upgraded": {"enabled", "tray_upgraded",
			silent + "--user -M 1000@.host --no-block try-restart wormbell-tray.service\n--user -M 1002@.host --no-block try-restart wormbell-tray.service\n--user -M 1003@.host daemon-reload\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := j.run(machine+`echo "$2" >/state/enabled; set -e; eval "$1"; patience=1; `+c.do+`; cat /state/log`, string(functions), c.enabled)
			if diff := cmp.Diff(got, c.want); diff != "" {
				t.Errorf("systemd was asked (- got, + want):\n%s", diff)
			}
		})
	}
}
