# Functions of the package with the agent. They ask nothing, use no network, and
# none of them fails: a package is installed also where its service cannot run.
# POSIX sh; the release puts this in front of each script.

has_systemd() { [ -d /run/systemd/system ]; }

say() { echo "wormbell: $*" >&2 || :; }

# elsewhere: is the service that of 'wormbell install', whose unit comes before the package's? Then it is not ours to stop.
elsewhere() {
	unit=/etc/systemd/system/wormbelld.service
	[ -f "$unit" ] && [ ! -L "$unit" ] && ! grep -qE '^ExecStart=[-@:+!]*/usr/bin/wormbelld' "$unit"
}

# held VERB: does this machine let no service be started while packages are installed (Debian's policy-rc.d)?
held() {
	policy=/usr/sbin/policy-rc.d code=0
	[ -x "$policy" ] || return 1
	timeout 10 "$policy" wormbelld.service "$1" >/dev/null 2>&1 </dev/null || code=$?
	[ "$code" = 101 ]
}

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
	if elsewhere; then
		say "the service wormbelld is that of 'wormbell install' here ($unit), and stays so: this package's agent does not run"
		say "to change over: 'wormbell uninstall', and then '/usr/bin/wormbell install'"
		return 0
	fi
	if ! systemctl --quiet is-enabled wormbelld.service 2>/dev/null; then
		say "the agent is switched off on this machine (disabled or masked), which is NOT guarded: 'systemctl enable --now wormbelld' guards it"
		return 0
	fi
	if held start; then
		say "/usr/sbin/policy-rc.d lets nothing be started now: this machine is NOT guarded until 'systemctl start wormbelld', or until it starts again"
		return 0
	fi
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
	! elsewhere || return 0
	systemctl --quiet is-active wormbelld.service || systemctl --quiet is-enabled wormbelld.service 2>/dev/null || return 0
	if ! timeout 10 /usr/bin/wormbelld --version >/dev/null 2>&1; then
		unguarded "the new agent cannot run on this machine; the previous one guards it until it ends or the machine restarts" "$2"
		return 0
	fi
	if held restart; then
		say "/usr/sbin/policy-rc.d lets nothing be started now: the new agent runs after 'systemctl restart wormbelld', or when the machine starts again"
		return 0
	fi
	# shellcheck disable=SC2086
	timeout 60 $1 >/dev/null 2>&1 || :
	agent_is_up || unguarded "the new agent did not start: this machine is NOT guarded" "$2"
}

# agent_removed: before its files go. The vault is the user's keychain, which root cannot look into: so whoever removes
# the package is told, whether there is something in it or not.
agent_removed() {
	# The list is short, made by the agent and in a folder of root's. What a user has planted is that user's to take away.
	if grep -q '"path"' /var/lib/wormbell/decoys.json 2>/dev/null; then
		say "decoys stay in the homes, where nobody watches them any more: 'wormbell decoy remove --all' takes them away, as the user who planted them, before this or of a package installed again"
	fi
	say "who moved tokens with 'wormbell vault' gets them back with 'wormbell vault npm --restore', before this or of a package installed again"
	has_systemd || return 0
	if elsewhere; then
		say "the agent that 'wormbell install' has put goes on"
		return 0
	fi
	timeout 60 systemctl stop wormbelld.service >/dev/null 2>&1 || :
}

# agent_disabled: before its files go, where nothing remembers what the administrator wanted.
agent_disabled() { elsewhere || systemctl --no-reload disable wormbelld.service >/dev/null 2>&1 || :; }

# agent_gone: after its files went.
agent_gone() {
	has_systemd || return 0
	systemctl daemon-reload || :
	systemctl reset-failed wormbelld.service >/dev/null 2>&1 || :
}
