package persistence

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxProcesses = 50_000
	maxProcFile  = 64 << 10
	maxSockets   = 8 << 20
	maxFiles     = 4096 // open files of a process
	ticks        = 100  // USER_HZ, which is 100 wherever Go runs
)

// listProcesses reads /proc, proc(5). What it says of others' processes is
// left out.
func listProcesses(ctx context.Context, s *scan) (list []*process, problem string) {
	root := s.files.sys("/proc")
	d, err := os.Open(root)
	if err != nil {
		return nil, fmt.Sprintf("running processes: %v", plainError(err))
	}
	numbers, more, err := processNumbers(d, cmp.Or(s.most, maxProcesses))
	d.Close()
	if err != nil {
		return nil, fmt.Sprintf("running processes: %v", plainError(err))
	}
	all := map[int]*process{}
	boot := bootTime(filepath.Join(root, "stat"))
	var nameless, stalled []int
	var shut []*process
	for _, pid := range numbers {
		if ctx.Err() != nil || s.only != nil && !s.only(pid) {
			continue
		}
		p, mine := s.readProcess(filepath.Join(root, strconv.Itoa(pid)), pid, boot)
		if p == nil {
			continue
		}
		all[pid] = p
		if mine {
			list = append(list, p)
			if p.shut || p.exe == "" && len(p.args) > 0 {
				shut = append(shut, p)
			}
			if p.stalled {
				stalled = append(stalled, pid)
			}
		}
	}
	for _, p := range shut {
		if !ofLogin(p, all) {
			nameless = append(nameless, p.pid)
		}
	}
	sockets := map[uint64]string{}
	readSockets(filepath.Join(root, "self/net/tcp"), sockets)
	readSockets(filepath.Join(root, "self/net/tcp6"), sockets)
	for _, p := range list {
		parent := all[p.ppid]
		p.manager = p.ppid == 1 || parent != nil && parent.name == "systemd" && slices.Contains(parent.args, "--user")
		p.peers = peersOf(filepath.Join(root, strconv.Itoa(p.pid), "fd"), sockets)
	}
	spare(all, os.Getpid())
	slices.SortFunc(list, func(a, b *process) int { return a.pid - b.pid })
	var problems []string
	for _, p := range []struct {
		of   []int
		what string
	}{{nameless, "it cannot be told which program they run"}, {stalled, "the command line cannot be read: they do not let go of it"}} {
		if len(p.of) > 0 {
			problems = append(problems, fmt.Sprintf("of %d %s (%s)", len(p.of), p.what, somePIDs(p.of)))
		}
	}
	if more {
		problems = append(problems, fmt.Sprintf("only %d of them, for there are more", len(numbers)))
	}
	if len(problems) > 0 {
		problem = "running processes: " + strings.Join(problems, "; ")
	}
	return list, problem
}

// ofLogin reports whether p is the part of a login that runs as the user and lets
// nobody look into it: sshd's, whose parent is root's sshd, and that in which PAM
// waits for the user's systemd to end, which is there before systemd starts
// anything. Whoever is orphaned has another parent, or came later.
func ofLogin(p *process, all map[int]*process) bool {
	parent := all[p.ppid]
	if parent == nil || !p.shut {
		return false
	}
	if parent.root && parent.pid != 1 {
		return slices.Contains([]string{"sshd", "sshd-session"}, parent.name)
	}
	if !slices.Contains([]string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"}, parent.exe) || !slices.Contains(parent.args, "--user") || parent.ppid != 1 || p.start-parent.start > ticks/5 {
		return false
	}
	for _, o := range all {
		if o.ppid == parent.pid && o != p && o.start <= p.start {
			return false
		}
	}
	return true
}

// processNumbers reads the PIDs in a folder such as /proc, no more than most of
// them; more says that there are.
func processNumbers(d *os.File, most int) (numbers []int, more bool, err error) {
	for {
		names, err := d.Readdirnames(1000)
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			if len(numbers) >= most {
				return numbers, true, nil
			}
			numbers = append(numbers, pid)
		}
		if errors.Is(err, io.EOF) {
			return numbers, false, nil
		}
		if err != nil {
			return nil, false, err
		}
	}
}

// somePIDs are the first of them, for a line.
func somePIDs(list []int) string {
	const few = 8
	if len(list) <= few {
		return "pid " + pids(list)
	}
	return "pid " + pids(list[:few]) + " and others"
}

// spare marks us, who started us, and our children that are about to execute
// something: until then they run our program, and it names all that traps name.
// They are not judged and never stopped.
func spare(all map[int]*process, pid int) {
	for _, p := range all {
		if us := all[pid]; us != nil && p.ppid == pid && p.exe != "" && p.exe == us.exe {
			p.spared = "it is this program, about to start another"
		}
	}
	for n := 0; pid > 0 && n < 1000; n++ {
		p := all[pid]
		if p == nil || p.spared != "" {
			return
		}
		p.spared, pid = "it is this program, or above it", p.ppid
	}
}

// readProcess reads one process; mine says whether it belongs to the user.
func (s *scan) readProcess(dir string, pid int, boot time.Time) (p *process, mine bool) {
	p = &process{pid: pid}
	status := slurp(filepath.Join(dir, "status"))
	if !p.readStat(slurp(filepath.Join(dir, "stat"))) {
		return nil, false
	}
	p.began = boot.Add(time.Duration(p.start) * time.Second / ticks)
	mine, p.root = realUID(status) == s.UID, realUID(status) == 0
	if !mine && p.name != "systemd" {
		return p, false
	}
	line, stalled := s.memories.read(identity{pid, p.start}, func() []byte { return slurp(filepath.Join(dir, "cmdline")) })
	p.stalled = stalled
	p.args = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if p.args[0] == "" && len(p.args) == 1 {
		p.args = nil
	}
	if !mine {
		return p, false
	}
	if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
		var gone bool
		if p.exe, gone = strings.CutSuffix(exe, " (deleted)"); gone {
			p.deleted = p.exe
		}
	} else {
		p.shut = errors.Is(err, fs.ErrPermission) // else it is a part of the kernel, or just ending
	}
	if to, err := os.Readlink(filepath.Join(dir, "fd", "0")); err == nil {
		p.types = strings.HasPrefix(to, "/dev/pts/") || strings.HasPrefix(to, "/dev/tty") || to == "/dev/console"
	}
	p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
	p.unit = unitOf(string(slurp(filepath.Join(dir, "cgroup"))))
	return p, true
}

// readStat reads /proc/PID/stat, proc_pid_stat(5). The name may hold anything.
func (p *process) readStat(b []byte) bool {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return false
	}
	p.name = string(b[open+1 : end])
	f := bytes.Fields(b[end+1:])
	if len(f) < 20 || f[0][0] == 'Z' || f[0][0] == 'X' {
		return false
	}
	number := func(i int) int {
		n, err := strconv.Atoi(string(f[i]))
		if err != nil {
			return -1
		}
		return n
	}
	start, err := strconv.ParseUint(string(f[19]), 10, 64)
	p.ppid, p.sid, p.tty, p.start = number(1), number(3), number(4) != 0, start
	return err == nil && p.ppid >= 0
}

func slurp(p string) []byte {
	f, err := os.Open(p)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, maxProcFile))
	return b
}

func realUID(status []byte) int {
	_, rest, ok := bytes.Cut(status, []byte("\nUid:"))
	if f := bytes.Fields(rest); ok && len(f) > 0 {
		if n, err := strconv.Atoi(string(f[0])); err == nil {
			return n
		}
	}
	return -1
}

func bootTime(p string) time.Time {
	for line := range strings.Lines(string(slurp(p))) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "btime" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return time.Unix(n, 0)
			}
		}
	}
	return time.Time{}
}

var unitName = regexp.MustCompile(`^[\w:.@\\-]+\.service$`)

// unitOf is the unit below the user's service manager in a control group's
// path, cgroups(7): "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service".
func unitOf(cgroup string) string {
	for line := range strings.Lines(cgroup) {
		_, path, ok := strings.Cut(strings.TrimSpace(line), "::")
		if !ok { // the first version of control groups
			if _, path, ok = strings.Cut(strings.TrimSpace(line), ":name=systemd:"); !ok {
				continue
			}
		}
		_, below, _ := strings.Cut(path, "/user@")
		_, below, ok = strings.Cut(below, "/")
		if !ok {
			continue
		}
		unit := ""
		for part := range strings.SplitSeq(below, "/") {
			if unitName.MatchString(part) {
				unit = part
			}
		}
		if unit != "" {
			return unit
		}
	}
	return ""
}

// readSockets notes the connections to other machines that a table of the
// kernel's lists, proc_pid_net(5), by inode.
func readSockets(p string, out map[uint64]string) {
	f, err := os.Open(p)
	if err != nil {
		return
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, maxSockets))
	parseSockets(b, out)
}

func parseSockets(b []byte, out map[uint64]string) {
	const established = "01"
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != established {
			continue
		}
		host, port, ok := strings.Cut(f[2], ":")
		addr, valid := hexAddr(host)
		n, err := strconv.ParseUint(port, 16, 16)
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		if !ok || !valid || err != nil || err2 != nil || inode == 0 || addr.IsLoopback() || addr.IsUnspecified() {
			continue
		}
		// Where tokens are used is spoken to by HTTPS; a worm's own server may
		// listen anywhere, but so may a database.
		if n == 443 || n == 80 || n >= 8000 && n < 9000 {
			out[inode] = netip.AddrPortFrom(addr, uint16(n)).String()
		}
	}
}

// hexAddr reads an address as four or sixteen bytes in 32-bit words of the
// machine's order, which is little-endian wherever we are built for.
func hexAddr(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, ok := netip.AddrFromSlice(b)
	return a.Unmap(), ok
}

// peersOf are the servers that a process is connected to.
func peersOf(dir string, sockets map[uint64]string) []string {
	if len(sockets) == 0 {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxFiles)
	var out []string
	for _, name := range names {
		to, err := os.Readlink(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		n, ok := strings.CutPrefix(to, "socket:[")
		inode, err := strconv.ParseUint(strings.TrimSuffix(n, "]"), 10, 64)
		if peer := sockets[inode]; ok && err == nil && peer != "" && !slices.Contains(out, peer) {
			out = append(out, peer)
		}
	}
	slices.Sort(out)
	return out
}
