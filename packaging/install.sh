#!/bin/sh
# Installs Wormbell: takes the package that suits this machine, or an archive,
# and checks who signed it and that it is whole before anything of it is
# unpacked or run. Nothing happens before the last line of this file: a copy of
# it that was cut off does nothing.
#
# It asks before it becomes root. See docs/release.md.
set -eu

# What the release writes here. Without keys it was built for a test, and nothing can be checked against it.
VERSION='@VERSION@'
BASE='@BASE@'
SSH_SIGNER='@SSH_SIGNER@'
PGP_KEY='@PGP_KEY@'

# Larger than anything we publish; a server must not be able to fill the disk.
LIMIT=200000000

usage() {
	cat <<'EOF'
usage: sh install.sh [options]
  --base URL      take the files from there: https://…, http:// on this machine only, or a folder
  --version V     install this version, not the newest
  --format F      deb, rpm, apk, archlinux or tar (default: what this machine uses)
  --no-tray       without the icon for the desktop
  --dry-run       say what would be done; takes and checks the files' list only
  --yes           do not ask
  --downgrade     allow a version older than the installed one
  --unsigned      allow files that nobody signed: for a test build of your own
EOF
}

say() { printf '%s\n' "wormbell: $*" >&2; }

die() {
	say "$1"
	shift
	for hint in "$@"; do printf 'hint: %s\n' "$hint" >&2; done
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# get NAME FILE: from the base. A file that is not there is an error; so is one that is too long.
get() {
	case "$base" in
	https://*) fetch "$base/$1" "$2" https ;;
	http://127.0.0.1[:/]* | http://localhost[:/]* | 'http://[::1]'[:/]*) fetch "$base/$1" "$2" http ;;
	*://*) die "the base \"$base\" is not https" ;;
	*)
		[ -f "$base/$1" ] && [ ! -L "$base/$1" ] || return 1
		head -c "$LIMIT" <"$base/$1" >"$2"
		;;
	esac
}

fetch() {
	if has curl; then
		curl --fail --silent --show-error --location --proto "=$3" --proto-redir "=$3" --max-redirs 5 --connect-timeout 20 \
			--max-filesize "$LIMIT" --output "$2" -- "$1" 2>/dev/null
	elif has wget; then
		# wget has no limit of its own, and busybox's knows few options; --https-only is asked of the one that has it.
		if [ "$3" = https ] && wget --help 2>&1 | grep -q -e --https-only; then
			wget -q --https-only -O - -- "$1" 2>/dev/null | head -c "$LIMIT" >"$2"
		else
			wget -q -O - "$1" 2>/dev/null | head -c "$LIMIT" >"$2"
		fi
		[ -s "$2" ]
	else
		die "neither curl nor wget is here to take files with"
	fi
}

# check_signature: of the list, by the first of SSH and OpenPGP that this machine can check and this script has a key of. What
# can be checked must be right: a bad SSH signature is not excused by a good other one.
check_signature() {
	if [ -n "$SSH_SIGNER" ] && has ssh-keygen; then
		get SHA256SUMS.sig "$tmp/sums.sig" || die "there is no signature of the sums (SHA256SUMS.sig): nothing was installed"
		printf '%s\n' "$SSH_SIGNER" >"$tmp/signers"
		printf '%s\n' "$list" | ssh-keygen -Y verify -f "$tmp/signers" -I wormbell-release -n wormbell-release -s "$tmp/sums.sig" >/dev/null 2>&1 ||
			die "the signature of the sums is not right: nothing was installed" "the files were changed on the way, or are not ours"
		signed='signed with the SSH key of this script'
	elif [ -n "$PGP_KEY" ] && has gpgv; then
		get SHA256SUMS.asc "$tmp/sums.asc" || die "there is no signature of the sums (SHA256SUMS.asc): nothing was installed"
		printf '%s' "$PGP_KEY" | base64 -d >"$tmp/key.gpg" || die "the key in this script cannot be read"
		printf '%s\n' "$list" | gpgv --homedir "$tmp" --keyring "$tmp/key.gpg" "$tmp/sums.asc" - >/dev/null 2>&1 ||
			die "the signature of the sums is not right: nothing was installed" "the files were changed on the way, or are not ours"
		signed='signed with the OpenPGP key of this script'
	elif [ -z "$SSH_SIGNER$PGP_KEY" ]; then
		[ "$unsigned" = yes ] || die "this script was built without a key: it cannot check who made the files" \
			"take a published install.sh; for a test build of your own there is --unsigned"
		say "WARNING: nobody signed these files; they are only checked for being whole"
		signed='UNSIGNED'
	else
		die "neither ssh-keygen (of OpenSSH) nor gpgv is here to check the signature with: nothing was installed" "install one of them"
	fi
}

sha256() {
	if has sha256sum; then
		sha256sum <"$1"
	elif has shasum; then
		shasum -a 256 <"$1"
	else
		openssl dgst -sha256 -r <"$1"
	fi | cut -d' ' -f1
}

# pick PATTERN: the one file of the sums whose name fits. Names that are no plain names are not taken.
pick() {
	printf '%s\n' "$list" | awk -v pattern="$1" '
		length($1) == 64 && $1 ~ /^[0-9a-f]+$/ && NF == 2 && $2 ~ /^[A-Za-z0-9][A-Za-z0-9._~+-]*$/ && $2 ~ pattern { n++; name = $2 }
		END { if (n == 1) print name; else exit 1 }' || return 1
}

# signed_sum NAME: its sum in the list.
signed_sum() { printf '%s\n' "$list" | awk -v name="$1" '$2 == name { print $1 }'; }

# take NAME: gets it, and removes it again if it is not what was signed.
take() {
	want=$(signed_sum "$1")
	get "$1" "$tmp/$1" || die "could not get $1 from $base: nothing was installed"
	if [ "$(sha256 "$tmp/$1")" != "$want" ]; then
		rm -f "$tmp/$1"
		die "$1 is not what was signed: nothing was installed" "it was cut off or changed on the way; try again, and tell us if it stays so"
	fi
}

# older A B: is version A older than B? A pre-release is older than its release, alpha than beta than rc.
older() {
	awk -v a="$1" -v b="$2" '
		function key(v,   core, rest, p, r, stage, n) {
			sub(/^v/, "", v); rest = ""; n = 0
			if (match(v, /[-~]/)) { rest = substr(v, RSTART + 1); v = substr(v, 1, RSTART - 1) }
			split(v, p, ".")
			stage = 9
			if (rest != "") { stage = 0; if (rest ~ /^alpha/) stage = 1; if (rest ~ /^beta/) stage = 2; if (rest ~ /^rc/) stage = 3
				if (match(rest, /[0-9]+/)) n = substr(rest, RSTART, RLENGTH) }
			return sprintf("%08d%08d%08d%d%016.0f", p[1], p[2], p[3], stage, n)
		}
		BEGIN { exit !(key(a) "" < key(b) "") }'
}

installed_version() {
	for program in /usr/bin/wormbell /usr/local/bin/wormbell; do
		[ -x "$program" ] || continue
		"$program" --version 2>/dev/null | awk '{ print $2; exit }'
		return 0
	done
}

guess_format() {
	if [ "$os" != linux ]; then
		echo tar
	elif has apt-get && has dpkg; then
		echo deb
	elif has pacman && [ -d /var/lib/pacman ]; then
		echo archlinux
	elif has apk && [ -d /etc/apk ]; then
		echo apk
	elif has rpm && { has dnf || has yum || has zypper; }; then
		echo rpm
	else
		echo tar
	fi
}

# as_root COMMAND…: asked for before.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

confirm() {
	[ "$yes" = no ] || return 0
	[ -r /dev/tty ] || die "there is no terminal to ask on: nothing was installed" "--yes does not ask"
	printf 'Go on? [y/N] ' >/dev/tty
	read -r answer </dev/tty
	case "$answer" in
	y | Y | yes) ;;
	*) die "nothing was installed" ;;
	esac
}

# by_root: what root is to do, a script of its own. Until then all lies in a folder of the person's, and another program of
# theirs could put something else there after it was checked: so root takes a copy that is its own, and checks that one.
# Its arguments: the command, an option for it or "", the most that a file may hold, the folder, and of each file the name
# and the sum that was signed.
by_root() {
	cat <<'EOF'
set -eu
how=$1 allow=$2 limit=$3 from=$4
shift 4
die() {
	printf '%s\n' "wormbell: $*: nothing was installed" >&2
	exit 1
}
sha256() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum <"$1"
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256 <"$1"
	else
		openssl dgst -sha256 -r <"$1"
	fi | cut -d' ' -f1
}
# unpack ARCHIVE FOLDER: only if all of it is plain files below FOLDER.
unpack() {
	tar -tzf "$1" >"$own/names" || die "$1 cannot be read"
	tar -tvzf "$1" >"$own/long" || die "$1 cannot be read"
	if grep -qv "^$2/[A-Za-z0-9]" "$own/names" || grep -q '\.\.' "$own/names" || grep -qv '^-' "$own/long"; then
		die "${1##*/} holds something else than files of its own folder"
	fi
	(cd "$own" && tar -xzof "$1")
}
umask 022
own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
trap 'exit 1' HUP INT TERM
left=$(($# / 2))
while [ "$left" -gt 0 ]; do
	name=$1 want=$2
	shift 2
	head -c "$limit" <"$from/$name" >"$own/$name"
	[ "$(sha256 "$own/$name")" = "$want" ] || die "$name is no longer what was signed: something has changed it in $from"
	set -- "$@" "$own/$name"
	left=$((left - 1))
done
case "$how" in
apt-get*)
	chmod 755 "$own" # apt reads the files as a user of its own
	# shellcheck disable=SC2086 # one option or none
	env DEBIAN_FRONTEND=noninteractive apt-get install -y $allow "$@"
	;;
# Their signature is of the same release whose list was just checked; the system may not have the key yet.
dnf*) dnf install -y --nogpgcheck "$@" ;;
zypper*) zypper --non-interactive install --allow-unsigned-rpm "$@" ;;
yum*) yum install -y --nogpgcheck "$@" ;;
rpm*) rpm -U "$@" ;;
apk*) apk add --allow-untrusted "$@" ;;
pacman*) pacman -U --noconfirm "$@" ;;
wormbell*)
	folder=${1##*/} folder=${folder%.tar.gz}
	unpack "$1" "$folder"
	"$own/$folder/wormbell" install
	;;
esac
EOF
}

main() {
	base=$BASE version='' format='' tray=yes dry=no yes=no downgrade=no unsigned=no
	while [ $# -gt 0 ]; do
		case "$1" in
		--base | --version | --format) [ $# -gt 1 ] || die "$1 needs a value" ;;
		esac
		case "$1" in
		--base) base=${2%/} && shift ;;
		--version) version=${2#v} && shift ;;
		--format) format=$2 && shift ;;
		--no-tray) tray=no ;;
		--dry-run) dry=yes ;;
		--yes) yes=yes ;;
		--downgrade) downgrade=yes ;;
		--unsigned) unsigned=yes ;;
		-h | --help) usage && exit 0 ;;
		*) usage >&2 && die "there is no option $1" ;;
		esac
		shift
	done
	case "$version" in *[!0-9A-Za-z.+~-]*) die "\"$version\" is no version" ;; esac
	[ -n "$base" ] || die "this script does not know where the files are" "say where: --base https://packages.example.com/wormbell"
	case "$(uname -s)" in
	Linux) os=linux ;;
	Darwin) os=darwin tray=no ;;
	*) die "this script knows Linux and macOS; for Windows there is a .zip" ;;
	esac
	case "$(uname -m)" in
	x86_64 | amd64) arch=amd64 machine=x86_64 ;;
	aarch64 | arm64) arch=arm64 machine=aarch64 ;;
	*) die "there are no programs for $(uname -m)" ;;
	esac
	[ -n "$format" ] || format=$(guess_format)

	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	if [ -n "$version" ] && get "v$version/SHA256SUMS" "$tmp/SHA256SUMS"; then
		base="$base/v$version"
	else
		get SHA256SUMS "$tmp/SHA256SUMS" || die "there is no list of files (SHA256SUMS) at $base"
	fi
	# What is checked is what is believed, whatever becomes of the file.
	list=$(cat "$tmp/SHA256SUMS")
	check_signature
	archive=$(pick "^wormbell-[0-9].*-${os}-${arch}[.]tar[.]gz\$") || die "the list names no archive for $os on $arch, or several"
	offered=${archive#wormbell-} && offered=${offered%-"$os"-"$arch".tar.gz}
	if [ -n "$version" ]; then
		[ "$version" = "$offered" ] || die "the files at $base are of version $offered, not $version"
	elif older "$offered" "$VERSION"; then
		die "the files at $base are of version $offered, older than this script ($VERSION): nothing was installed" \
			"somebody may be offering old files; if you want them, say so: --version $offered"
	fi
	now=$(installed_version)
	if [ -n "$now" ] && [ "$downgrade" = no ] && older "$offered" "$now"; then
		die "version $now is installed, which is newer than $offered: nothing was installed" "--downgrade installs it nevertheless"
	fi
	case "$format" in
	deb) agent="^wormbell_[^_]*_${arch}[.]deb\$" icon="^wormbell-tray_[^_]*_${arch}[.]deb\$" ;;
	rpm) agent="^wormbell-[0-9][^-]*-[0-9]*[.]${machine}[.]rpm\$" icon="^wormbell-tray-[0-9][^-]*-[0-9]*[.]${machine}[.]rpm\$" ;;
	apk) agent="^wormbell-[0-9][^-]*-r[0-9]*[.]${machine}[.]apk\$" icon="^wormbell-tray-[0-9][^-]*-r[0-9]*[.]${machine}[.]apk\$" ;;
	archlinux) agent="^wormbell-[0-9][^-]*-[0-9]*-${machine}[.]pkg[.]tar[.]zst\$" icon="^wormbell-tray-[0-9][^-]*-[0-9]*-${machine}[.]pkg[.]tar[.]zst\$" ;;
	tar) agent='' icon='' ;;
	*) die "there is no format $format" ;;
	esac
	first=$archive second=''
	if [ -n "$agent" ]; then
		first=$(pick "$agent") || die "the list names no $format package for $arch, or several" "--format tar takes the archive"
		[ "$tray" = no ] || second=$(pick "$icon") || die "the list names no package of the tray for $arch" "--no-tray does without"
	fi
	case "$format" in
	deb) how='apt-get install' ;;
	rpm) how=$(for m in dnf zypper yum rpm; do if has $m; then echo $m && break; fi; done) && how="$how install" ;;
	apk) how='apk add' ;;
	archlinux) how='pacman -U' ;;
	tar) how='wormbell install' ;;
	esac

	say "Wormbell $offered for $os on $arch, $signed"
	say "from $base: $first $second"
	if [ "$(id -u)" = 0 ]; then say "installed with: $how"; else say "installed as root, with: sudo $how"; fi
	[ "$dry" = no ] || return 0
	take "$first"
	[ -z "$second" ] || take "$second"
	confirm
	set -- "$first" "$(signed_sum "$first")"
	[ -z "$second" ] || set -- "$@" "$second" "$(signed_sum "$second")"
	allow=''
	[ "$downgrade$format" != yesdeb ] || allow=--allow-downgrades
	as_root sh -c "$(by_root)" sh "$how" "$allow" "$LIMIT" "$tmp" "$@"
}

main "$@"
