# Functions of the package with the tray. POSIX sh; none fails, all are bounded
# in time: what a user's own manager does must not hold an installation up.

has_systemd() { [ -d /run/systemd/system ]; }

# Seconds for one request, and for all of one installation: a manager that is busy, or on a slow machine, may take long.
patience=30 altogether=60

# ask UID VERB…: has the user's manager do that. 124 if it takes too long (timeout(1)).
ask() {
	left=$((end - $(date +%s))) user=$1
	shift
	[ "$left" -gt 0 ] || return 124
	[ "$left" -lt "$patience" ] || left=$patience
	timeout "$left" systemctl --user -M "$user@.host" "$@" 2>/dev/null
}

# in_session UID VERB…: has the user's manager do that with the tray, if the user has a desktop. 124 as of ask.
in_session() {
	uid=$1
	shift
	ask "$uid" daemon-reload >/dev/null || return
	environment=$(ask "$uid" show-environment) || return
	printf '%s\n' "$environment" | grep -qE '^(WAYLAND_)?DISPLAY=' || return 0
	ask "$uid" --no-block "$@" wormbell-tray.service >/dev/null
}

# in_sessions VERB…: has the manager of each logged-in user do that with the tray.
in_sessions() {
	has_systemd || return 0
	end=$(($(date +%s) + altogether))
	for dir in /run/user/*; do
		uid=${dir##*/}
		case "$uid" in '' | 0 | *[!0-9]*) continue ;; esac
		[ -S "$dir/systemd/private" ] || continue
		code=0
		in_session "$uid" "$@" || code=$?
		[ "$code" != 124 ] || echo "The session of user $uid does not answer: the tray there stays as it is until the next login." || :
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
