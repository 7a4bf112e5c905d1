# Functions of the package with the agent. They ask nothing, use no network, and
# none of them fails: a package is installed also where its service cannot run.
# POSIX sh; the release puts this in front of each script.

has_systemd() { [ -d /run/systemd/system ]; }

say() { echo "wormbell: $*" >&2; }

# unguarded WHAT-HAPPENED HOW-TO-GO-BACK: nobody may believe that the machine is guarded when it is not.
unguarded() {
	if [ "$(systemctl show --property=SubState --value wormbelld.service 2>/dev/null)" = start ]; then
		# Neither up nor failed: a store that is large takes its time to be brought to a new form.
		say "the agent is still starting: this machine is NOT guarded until 'systemctl is-active wormbelld' says so"
	else
		say "$1"
	fi
	say "what it says:  journalctl -u wormbelld -n 50"
	[ -z "$2" ] || say "to go back:    $2"
}

# agent_is_up: systemd holds it for started, which it is when it says so itself. It gets 15 s, as it may be starting again.
agent_is_up() {
	tries=0
	until systemctl --quiet is-active wormbelld.service; do
		tries=$((tries + 1))
		[ "$tries" -lt 15 ] || return 1
		sleep 1
	done
}

# agent_installed START HOW-TO-GO-BACK: starts it, unless an administrator or a preset wants it off.
agent_installed() {
	has_systemd || return 0
	systemctl daemon-reload || :
	systemctl --quiet is-enabled wormbelld.service 2>/dev/null || return 0
	# The words of $1 are a command's.
	# shellcheck disable=SC2086
	timeout 60 $1 >/dev/null 2>&1 || :
	agent_is_up || unguarded "the agent did not start: this machine is NOT guarded" "$2"
}

# agent_upgraded RESTART HOW-TO-GO-BACK: the agent that runs goes on until it is known that the new program can run at
# all here. One that an administrator disabled and stopped stays so; what is enabled runs afterwards, as after a removal
# that was no purge, which looks the same.
agent_upgraded() {
	has_systemd || return 0
	systemctl daemon-reload || :
	systemctl --quiet is-active wormbelld.service || systemctl --quiet is-enabled wormbelld.service 2>/dev/null || return 0
	if ! timeout 10 /usr/bin/wormbelld --version >/dev/null 2>&1; then
		unguarded "the new agent cannot run on this machine; the previous one guards it until it ends or the machine restarts" "$2"
		return 0
	fi
	# shellcheck disable=SC2086
	timeout 60 $1 >/dev/null 2>&1 || :
	agent_is_up || unguarded "the new agent did not start: this machine is NOT guarded" "$2"
}

# agent_removed: before its files go. The vault is the user's keychain, which root cannot look into: so whoever removes
# the package is told, whether there is something in it or not.
agent_removed() {
	say "who moved tokens with 'wormbell vault' gets them back with 'wormbell vault npm --restore', before this or of a package installed again"
	has_systemd || return 0
	timeout 60 systemctl stop wormbelld.service >/dev/null 2>&1 || :
}

# agent_gone: after its files went.
agent_gone() {
	has_systemd || return 0
	systemctl daemon-reload || :
	systemctl reset-failed wormbelld.service >/dev/null 2>&1 || :
}
