// Package procs asks the operating system about processes: which there are,
// what one of them runs, and when one starts or ends.
//
// It holds mechanism only. It keeps no table, knows no parent but the one the
// kernel names now, and judges nothing: who is who is the lineage's business,
// who is trusted the signer's. What it reads is hostile: every read is bounded,
// and a process that stalls its reader is given up on.
package procs

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// ErrGone says that there is no such process any more.
var ErrGone = errors.New("no such process")

// ErrUnsupported says that this system has no such mechanism here.
var ErrUnsupported = errors.New("not available on this system")

// TicksPerSecond is the unit of Stat.Start: USER_HZ, 100 on every Linux.
const TicksPerSecond = 100

// Stat is what /proc/PID/stat tells; see proc_pid_stat(5).
type Stat struct {
	Name     string // first 15 bytes of the program's name, or what it set
	State    byte   // 'R', 'S', 'T', 'Z', …
	Parent   int
	Group    int
	Session  int
	TTY      uint32 // device number of the controlling terminal, 0 for none
	TTYGroup int    // foreground process group of that terminal, -1 for none
	Threads  int
	Start    uint64 // ticks after boot, suspended time included
	ArgStart uint64 // address of the arguments: another one after each exec; 0 if we may not know
}

// Gone reports whether the process has ended: it is a zombie with no thread
// that still runs. The first thread may end before the others.
func (s *Stat) Gone() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// Leader reports whether the process with this pid leads the session of a terminal.
func (s *Stat) Leader(pid int) bool { return s.TTY != 0 && s.Session == pid }

// Foreground reports whether its group is the one in the foreground of its terminal.
func (s *Stat) Foreground() bool { return s.TTY != 0 && s.TTYGroup > 0 && s.Group == s.TTYGroup }

// TTYPath names the terminal as ps(1) does, "/dev/pts/3"; "" for none.
func (s *Stat) TTYPath() string {
	if s.TTY == 0 {
		return ""
	}
	major, minor := s.TTY>>8&0xfff, s.TTY&0xff|s.TTY>>12&0xfff00
	n := strconv.Itoa(int(minor))
	switch {
	case major >= 136 && major <= 143: // Documentation/admin-guide/devices.txt
		return "/dev/pts/" + strconv.Itoa(int(minor+(major-136)<<8))
	case major == 4 && minor < 64:
		return "/dev/tty" + n
	case major == 4:
		return "/dev/ttyS" + strconv.Itoa(int(minor)-64)
	case major == 5 && minor == 1:
		return "/dev/console"
	case major == 229:
		return "/dev/hvc" + n
	}
	return "/dev/char/" + strconv.Itoa(int(major)) + ":" + n
}

// parseStat decodes /proc/PID/stat. The name may hold spaces and parentheses.
func parseStat(b []byte) (s Stat, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 > len(b) {
		return s, false
	}
	s.Name = string(b[open+1 : end])
	rest := b[end+1:]
	field := 2 // rest begins with the space before field 3
	for len(rest) > 0 {
		rest = bytes.TrimLeft(rest, " \n")
		if len(rest) == 0 {
			break
		}
		i := bytes.IndexAny(rest, " \n")
		if i < 0 {
			i = len(rest)
		}
		field++
		s.set(field, rest[:i])
		rest = rest[i:]
	}
	return s, field >= 22
}

func (s *Stat) set(field int, b []byte) {
	if field == 3 {
		s.State = b[0]
		return
	}
	switch field {
	case 4, 5, 6, 7, 8, 20, 22, 48:
	default:
		return
	}
	neg := len(b) > 0 && b[0] == '-'
	var v uint64
	for _, c := range b {
		if c >= '0' && c <= '9' {
			v = v*10 + uint64(c-'0')
		}
	}
	n := int(v)
	if neg {
		n = -n
	}
	switch field {
	case 4:
		s.Parent = n
	case 5:
		s.Group = n
	case 6:
		s.Session = n
	case 7:
		s.TTY = uint32(v)
	case 8:
		s.TTYGroup = n
	case 20:
		s.Threads = n
	case 22:
		s.Start = v
	case 48:
		s.ArgStart = v
	}
}

// Info is what there is to know of a process right after it executed a program.
type Info struct {
	Stat
	UID     int      // real
	Exe     string   // the file that runs, absolute, as its mount namespace names it; "" if not readable
	Deleted bool     // that file has no name any more
	Cwd     string   // "" if not readable
	Args    []string // nil if not readable; secrets are still in it
	Told    bool     // by the kernel when it executed: Args are not read, and are no title; never set by Read
	Env     *Env     // nil if not readable
	Stalled bool     // Args and Env are missing because somebody keeps us from reading them
	Ticket  uint64   // of a stalled one: by this Reader.Late tells of it; 0 if it will not
}

// Late is what a stalled process let us read in the end. It was asked for at once, so
// it is what was there when the kernel let go of its memory, and no later.
type Late struct {
	Ticket uint64 // see [Info].Ticket
	Args   []string
	Env    *Env
}

// Mapped is a file that a process has mapped as code.
type Mapped struct {
	Path    string // absolute; "/memfd:NAME" for one that never had a name
	Ino     uint64
	Deleted bool
}

// ErrStalled says that a process keeps us from reading what it is.
var ErrStalled = errors.New("the process keeps others from reading what it is")

// Env is all that is ever kept of an environment.
type Env struct {
	LifecycleEvent string // npm_lifecycle_event
	PackageName    string // npm_package_name
	PackageVersion string // npm_package_version
	PackageJSON    string // npm_package_json
	LocalPrefix    string // npm_config_local_prefix
	InitCwd        string // INIT_CWD
	UserAgent      string // npm_config_user_agent
	Command        string // npm_command
	ProjectCwd     string // PROJECT_CWD
	BerryBin       string // BERRY_BIN_FOLDER
	PnpmScriptDir  string // PNPM_SCRIPT_SRC_DIR
	DryRun         bool   // npm_config_dry_run, as npm reads it
	// What makes a program load code that is not its own.
	NodeOptions string // NODE_OPTIONS
	BunOptions  string // BUN_OPTIONS
	Preload     string // LD_PRELOAD
	Audit       string // LD_AUDIT
	LibraryPath string // LD_LIBRARY_PATH
	// Where corepack keeps the code that it runs in its own process.
	CorepackHome string // COREPACK_HOME, "." if it is empty
	CacheHome    string // XDG_CACHE_HOME
	AppData      string // LOCALAPPDATA, which corepack asks for on every system
	CorepackFile string // COREPACK_ENV_FILE, from which it takes more of these
	// Where else it looks for code: common and harmless, unless somebody who
	// may not be trusted has changed it. Sorted lines of the variables in around.
	Around string
	Void   bool // one of these was given twice, or is too long to be understood
	// Names of the variables that seem to hold a secret, as lines, never a
	// value: see Secrets.
	SecretNames string
}

// around are variables that say where a program looks for code or for what
// tells it to load some: node(1), ld.so(8), openssl.cnf(5ossl).
var around = []string{"HOME", "LD_LIBRARY_PATH", "NODE_PATH", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"}

// valueMax bounds one value of an environment that is kept.
const valueMax = 4096

// add keeps one variable if it is on the list. dryRuns counts the ways in
// which npm_config_dry_run was spelled, and how many were true: npm takes any
// of them, so it is a dry run only if all agree.
func (e *Env) add(kv []byte, dryRuns *[2]int) {
	key, value, ok := bytes.Cut(kv, []byte{'='})
	if !ok {
		return
	}
	e.secret(key, value)
	if len(key) > 32 {
		return
	}
	var to *string
	switch string(key) { // the compiler does not allocate here
	case "npm_lifecycle_event":
		to = &e.LifecycleEvent
	case "npm_package_name":
		to = &e.PackageName
	case "npm_package_version":
		to = &e.PackageVersion
	case "npm_package_json":
		to = &e.PackageJSON
	case "npm_config_local_prefix":
		to = &e.LocalPrefix
	case "INIT_CWD":
		to = &e.InitCwd
	case "npm_config_user_agent":
		to = &e.UserAgent
	case "npm_command":
		to = &e.Command
	case "PROJECT_CWD":
		to = &e.ProjectCwd
	case "BERRY_BIN_FOLDER":
		to = &e.BerryBin
	case "PNPM_SCRIPT_SRC_DIR":
		to = &e.PnpmScriptDir
	case "NODE_OPTIONS":
		to = &e.NodeOptions
	case "BUN_OPTIONS":
		to = &e.BunOptions
	case "LD_PRELOAD":
		to = &e.Preload
	case "LD_AUDIT":
		to = &e.Audit
	case "LD_LIBRARY_PATH":
		to = &e.LibraryPath
	case "COREPACK_HOME":
		to = &e.CorepackHome
	case "XDG_CACHE_HOME":
		to = &e.CacheHome
	case "LOCALAPPDATA":
		to = &e.AppData
	case "COREPACK_ENV_FILE":
		to = &e.CorepackFile
	default:
		if slices.Contains(around, string(key)) {
			e.look(kv, len(value))
			return
		}
		if len(value) > 0 && isDryRun(key) {
			dryRuns[0]++
			if truthy(string(value[:min(len(value), 32)])) {
				dryRuns[1]++
			}
			e.DryRun = dryRuns[0] == dryRuns[1]
		}
		return
	}
	switch to {
	case &e.LibraryPath:
		e.look(kv, len(value))
		fallthrough
	case &e.NodeOptions, &e.BunOptions, &e.Preload, &e.Audit, &e.CorepackHome, &e.CacheHome, &e.AppData, &e.CorepackFile:
		// Of two the programs do not agree which one counts, and we see the
		// beginning of a long one only.
		e.Void = e.Void || *to != "" || len(value) > valueMax
	}
	*to = strings.ToValidUTF8(string(value[:min(len(value), valueMax)]), "�")
	switch to {
	case &e.CorepackHome, &e.CacheHome, &e.AppData:
		if *to == "" { // is not the same as none
			*to = "."
		}
	}
}

// look notes a variable that says where to look for code.
func (e *Env) look(kv []byte, length int) {
	if length > valueMax || len(e.Around) > 4*valueMax {
		e.Void = true
		return
	}
	lines := append(strings.Split(e.Around, "\n"), strings.ToValidUTF8(string(kv), "�"))
	slices.Sort(lines)
	e.Around = strings.Trim(strings.Join(lines, "\n"), "\n")
}

// envParser goes through an environment that comes in pieces.
type envParser struct {
	env     Env
	dryRuns [2]int
	kept    int  // bytes at the beginning of the buffer that are half a variable
	skip    bool // the rest of a variable that did not fit
}

// take takes n more bytes, which are in buf after the kept ones. It leaves
// room in buf.
func (p *envParser) take(buf []byte, n int) {
	b := buf[:p.kept+n]
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			break
		}
		if !p.skip {
			p.env.add(b[:i], &p.dryRuns)
		}
		b, p.skip = b[i+1:], false
	}
	p.kept = copy(buf, b)
	if p.kept == len(buf) { // longer than any that matters may be
		if !p.skip {
			p.env.add(b, &p.dryRuns)
		}
		p.kept, p.skip = 0, true
	}
}

func (p *envParser) end(buf []byte) *Env {
	if p.kept > 0 && !p.skip {
		p.env.add(buf[:p.kept], &p.dryRuns)
	}
	return &p.env
}

// isDryRun reports whether npm reads key as its setting dry-run:
// @npmcli/config ignores case and takes '_' and '-' alike.
func isDryRun(key []byte) bool {
	const name = "npm_config_dry_run"
	return len(key) == len(name) && (key[0] == 'n' || key[0] == 'N') &&
		strings.EqualFold(strings.Replace(string(key), "dry-", "dry_", 1), name)
}

// truthy reads a boolean of npm's configuration as nopt does.
func truthy(s string) bool {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f != 0
	}
	return s != "false" && s != "null" && s != "undefined"
}

// ParseArgs splits what /proc/PID/cmdline holds. cut says that b is only its beginning.
func ParseArgs(b []byte, cut bool) []string {
	if len(b) == 0 {
		return nil
	}
	if b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	if i := bytes.IndexByte(b, 0); i >= 0 && len(bytes.Trim(b[i:], "\x00")) == 0 {
		b = b[:i] // a title that a process wrote over its arguments, and what it left of them
	}
	s := strings.ToValidUTF8(string(b), "�")
	args := strings.SplitN(s, "\x00", argsMax+1)
	if len(args) > argsMax {
		args = args[:argsMax]
	} else if cut { // the rest of the last one was not read: its end may be half of a secret
		last := &args[len(args)-1]
		*last = (*last)[:max(0, len(*last)-1024)]
	}
	return args
}

const (
	argsMax    = 64       // arguments that are kept
	cmdlineMax = 16 << 10 // bytes that are read, so that a long argument can be masked as a whole
	memoryBuf  = 32 << 10 // of which no variable that matters needs more than a part
	environMax = 8 << 20  // bytes that are read; the kernel allows 6 MB for both, execve(2)
)
