package tray

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"wormbell/internal/plain"
)

// This file tells whether who holds our name on the session bus is a tray, too.
// Any program of the person can take the name before us; if it kept us from
// starting, a worm could do away with icon and notifications for good.

// Holder is a process that holds our name and is no tray.
type Holder struct {
	PID  int
	Name string // of its program, as far as it can be told
}

// holder returns who holds our name, nil if it is a tray like this one. It is an
// error if that cannot be told, or nobody holds it any more.
func holder(ctx context.Context, conn *dbus.Conn) (*Holder, error) {
	var owner string
	var pid, uid uint32
	bus := conn.BusObject()
	if err := errors.Join(bus.CallWithContext(ctx, busName+".GetNameOwner", 0, ownName).Store(&owner),
		bus.CallWithContext(ctx, busName+".GetConnectionUnixProcessID", 0, owner).Store(&pid),
		bus.CallWithContext(ctx, busName+".GetConnectionUnixUser", 0, owner).Store(&uid)); err != nil {
		return nil, fmt.Errorf("ask who has the name %q: %w", ownName, err)
	}
	ours, err := examine("/proc/self")
	if err != nil {
		return nil, err
	}
	theirs, err := examine(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return nil, err
	}
	if int(uid) == os.Geteuid() && theirs.like(ours) {
		return nil, nil
	}
	return &Holder{int(pid), theirs.name}, nil
}

// program is what can be told of a process's program.
type program struct {
	name   string      // path of its program, or what it calls itself
	exe    fs.FileInfo // its program; nil if it hides that
	status map[string]string
}

// examine looks at a process by its folder in /proc.
func examine(proc string) (p program, err error) {
	b, err := os.ReadFile(filepath.Join(proc, "status")) // small, and the kernel's own: everybody may read it
	if err != nil {
		return p, fmt.Errorf("look at the program that has our name: %w", err)
	}
	p.status = map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		p.status[key] = strings.TrimSpace(value)
	}
	p.name = plain.Cut(p.status["Name"], 80)
	exe := filepath.Join(proc, "exe")
	if p.exe, err = os.Stat(exe); err != nil {
		// A tray hides itself from other programs of the person, as may others.
		if errors.Is(err, fs.ErrPermission) {
			return p, nil
		}
		return p, fmt.Errorf("look at the program that has our name: %w", err)
	}
	if path, err := os.Readlink(exe); err == nil {
		p.name = plain.Cut(path, 80)
	}
	return p, nil
}

// like reports whether p runs the program that ours does. Of one that hides its
// file, the kernel tells the name, whether somebody steers it as a debugger does,
// and how large its code is (proc_pid_status(5): Name, TracerPid, VmExe, VmLib):
// enough to know another program, if not to be sure of our own. One that is made
// to look like ours in all of that is taken for a tray.
func (p program) like(ours program) bool {
	if p.status["TracerPid"] != "0" {
		return false
	}
	// Nor is one a tray that does not run: who stopped it may have started it, too
	// (proc_pid_status(5), State).
	if state := p.status["State"]; state == "" || strings.Contains("TtZXx", state[:1]) {
		return false
	}
	if p.exe != nil {
		return ours.exe != nil && os.SameFile(p.exe, ours.exe)
	}
	keys := []string{"Name", "VmExe"}
	if !ours.loads() {
		keys = append(keys, "VmLib")
	}
	for _, key := range keys {
		if p.status[key] == "" || p.status[key] != ours.status[key] {
			return false
		}
	}
	return true
}

// loads reports whether the program loads libraries: the getlantern build does,
// and more of them as time goes by. A static one has next to none.
func (p program) loads() bool {
	size, _, _ := strings.Cut(p.status["VmLib"], " ")
	n, err := strconv.Atoi(size)
	return err == nil && n > 64
}
