# Functions of the package with the tray. POSIX sh; none fails, all are bounded
# in time: what a user's own manager does must not hold an installation up.

has_systemd() { [ -d /run/systemd/system ]; }

# in_sessions VERB…: has each logged-in user's manager do that with the tray, if the user has a desktop.
in_sessions() {
	has_systemd || return 0
	for dir in /run/user/*; do
		uid=${dir##*/}
		case "$uid" in '' | 0 | *[!0-9]*) continue ;; esac
		[ -S "$dir/systemd/private" ] || continue
		timeout 5 systemctl --user -M "$uid@.host" daemon-reload >/dev/null 2>&1 || continue
		timeout 5 systemctl --user -M "$uid@.host" show-environment 2>/dev/null |
			grep -qE '^(WAYLAND_)?DISPLAY=' || continue
		timeout 10 systemctl --user -M "$uid@.host" --no-block "$@" wormbell-tray.service >/dev/null 2>&1 || :
	done
}

# tray_installed: in the sessions of now; later ones start it themselves.
tray_installed() {
	[ "$(systemctl --global is-enabled wormbell-tray.service 2>/dev/null)" = enabled ] || return 0
	in_sessions start
}

tray_upgraded() { in_sessions try-restart; }

# tray_removed: before its files go, in sessions without a desktop too.
tray_removed() { in_sessions stop; }
