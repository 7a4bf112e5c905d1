#!/bin/sh
# Installs Wormbell: takes the package that suits this machine, or an archive,
# and checks who signed it and that it is whole before anything of it is
# unpacked or run. Nothing happens before the last line of this file: a copy of
# it that was cut off does nothing.
#
# It asks before it becomes root. See docs/release.md.

# Only folders of root's: what a worm puts into a folder of the person's as "ssh-keygen" or "sudo" is not asked.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:/run/current-system/sw/bin
export PATH
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH TAR_OPTIONS GZIP GREP_OPTIONS
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

# common: what both halves of this script do, the person's and root's.
common() {
	cat <<'EOF'
has() { command -v "$1" >/dev/null 2>&1; }

sha256() {
	if has sha256sum; then
		sha256sum <"$1"
	elif has shasum; then
		shasum -a 256 <"$1"
	else
		openssl dgst -sha256 -r <"$1"
	fi | cut -d' ' -f1
}

# signed_sum NAME: its sum in the list.
signed_sum() { printf '%s\n' "$list" | awk -v name="$1" '$2 == name { print $1 }'; }

# right FOLDER: has the key signed the list? What is needed for the answer is written into that folder.
right() {
	case "$kind" in
	SSH)
		printf '%s\n' "$key" >"$1/signers" && printf '%s\n' "$signature" >"$1/signature" || return 1
		printf '%s\n' "$list" | ssh-keygen -Y verify -f "$1/signers" -I wormbell-release -n wormbell-release -s "$1/signature" >/dev/null 2>&1
		;;
	OpenPGP)
		printf '%s' "$key" | base64 -d >"$1/key.gpg" && printf '%s\n' "$signature" >"$1/signature" || return 1
		printf '%s\n' "$list" | gpgv --homedir "$1" --keyring "$1/key.gpg" "$1/signature" - >/dev/null 2>&1
		;;
	none) ;;
	*) return 1 ;;
	esac
}
EOF
}

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
		# Not with the settings of the person's home (-q).
		curl -q --fail --silent --show-error --location --proto "=$3" --proto-redir "=$3" --max-redirs 5 --connect-timeout 20 \
			--max-filesize "$LIMIT" --output "$2" -- "$1" 2>/dev/null
	elif has wget; then
		# wget has no limit of its own, and busybox's knows few options; --https-only is asked of the one that has it.
		if [ "$3" = https ] && wget --help 2>&1 | grep -q -e --https-only; then
			WGETRC=/dev/null wget -q --https-only -O - -- "$1" 2>/dev/null | head -c "$LIMIT" >"$2"
		else
			WGETRC=/dev/null wget -q -O - "$1" 2>/dev/null | head -c "$LIMIT" >"$2"
		fi
		[ -s "$2" ]
	else
		die "neither curl nor wget is here to take files with" "programs are looked for in $PATH and nowhere else"
	fi
}

# check_signature: of the list, by the first of SSH and OpenPGP that this machine can check and this script has a key of. What
# can be checked must be right: a bad SSH signature is not excused by a good other one.
check_signature() {
	if [ -n "$SSH_SIGNER" ] && has ssh-keygen; then
		kind=SSH key=$SSH_SIGNER file=SHA256SUMS.sig
	elif [ -n "$PGP_KEY" ] && has gpgv; then
		kind=OpenPGP key=$PGP_KEY file=SHA256SUMS.asc
	elif [ -z "$SSH_SIGNER$PGP_KEY" ]; then
		[ "$unsigned" = yes ] || die "this script was built without a key: it cannot check who made the files" \
			"take a published install.sh; for a test build of your own there is --unsigned"
		say "WARNING: nobody signed these files; they are only checked for being whole"
		kind=none key='' signature='' signed='UNSIGNED'
		return 0
	else
		die "neither ssh-keygen (of OpenSSH) nor gpgv is here to check the signature with: nothing was installed" \
			"install one of them; programs are looked for in $PATH and nowhere else"
	fi
	get "$file" "$tmp/$file" || die "there is no signature of the sums ($file): nothing was installed"
	signature=$(head -c 20000 <"$tmp/$file")
	mkdir "$tmp/check"
	right "$tmp/check" ||
		die "the signature of the sums is not right: nothing was installed" "the files were changed on the way, or are not ours"
	signed="signed with the $kind key of this script"
}

# pick PATTERN: the one file of the sums whose name fits. Names that are no plain names are not taken.
pick() {
	printf '%s\n' "$list" | awk -v pattern="$1" '
		length($1) == 64 && $1 ~ /^[0-9a-f]+$/ && NF == 2 && $2 ~ /^[A-Za-z0-9][A-Za-z0-9._~+-]*$/ && $2 ~ pattern { n++; name = $2 }
		END { if (n == 1) print name; else exit 1 }' || return 1
}

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

# of_root FILE…: are all of them root's?
of_root() {
	for f; do
		# shellcheck disable=SC2012 # the names are ours, and not every machine has find or stat
		[ "$(ls -ldnL "$f" | awk '{ print $3 }')" = 0 ] || return 1
	done
}

installed_version() {
	for program in /usr/bin/wormbell /usr/local/bin/wormbell; do
		[ -x "$program" ] || continue
		of_root "$program" "${program%/*}" || continue # somebody else's is not run, least of all by root
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
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		has sudo || die "there is no sudo in $PATH: nothing was installed" "run this script as root"
		sudo -- "$@"
	fi
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
# theirs could put something else there, before it was checked or after: so root takes copies that are its own, and checks those,
# the signature too. Its arguments: the command, an option for it or "", the most that a file may hold, the folder, the list, what
# kind of signature it has, whose, the signature, and the names of the files.
by_root() {
	cat <<'EOF'
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:/run/current-system/sw/bin
export PATH
set -eu
how=$1 allow=$2 limit=$3 from=$4 list=$5 kind=$6 key=$7 signature=$8
shift 8
die() {
	printf '%s\n' "wormbell: $*: nothing was installed" >&2
	exit 1
}
EOF
	common
	cat <<'EOF'
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
unset TMPDIR # the person's, who could put other files there
own=$(mktemp -d /tmp/wormbell.XXXXXXXXXX)
trap 'rm -rf "$own"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -m 700 "$own/check"
right "$own/check" || die "the list of sums is no longer what was signed: something has changed it in $from"
left=$#
while [ "$left" -gt 0 ]; do
	name=$1
	shift
	head -c "$limit" <"$from/$name" >"$own/$name"
	[ "$(sha256 "$own/$name")" = "$(signed_sum "$name")" ] || die "$name is no longer what was signed: something has changed it in $from"
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
	[ -x "$own/$folder/wormbell" ] || die "programs cannot be run in /tmp (it is mounted noexec)"
	# shellcheck disable=SC2086 # one option or none
	"$own/$folder/wormbell" install $allow
	;;
esac
EOF
}

main() {
	eval "$(common)"
	for tool in awk cat cut grep head id ls mkdir mktemp rm uname; do
		has "$tool" || die "there is no $tool in $PATH, and programs are looked for nowhere else: nothing was done"
	done
	umask 077
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
	allow=''
	[ "$downgrade$format" != yesdeb ] || allow=--allow-downgrades
	[ "$yes$format" != yestar ] || allow=--yes
	set -- "$first"
	[ -z "$second" ] || set -- "$@" "$second"
	as_root sh -c "$(by_root)" sh "$how" "$allow" "$LIMIT" "$tmp" "$list" "$kind" "$key" "$signature" "$@"
}

main "$@"
