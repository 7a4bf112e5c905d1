package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// roleMark begins the argument that makes this program play a part in the
// scratch home: a reader, a writer. Nobody vouches for the copy that does so.
const roleMark = "@"

// roles are the parts this program plays, by their argument.
var roles = map[string]func(args []string) error{
	"@read":    read,
	"@burst":   burst,
	"@open":    func(args []string) error { return open(args[0]) },
	"@pace":    pace,
	"@aside":   aside,
	"@walk":    walk,
	"@replace": replace,
	"@rewrite": rewrite,
	"@answer":  answer,
	"@tick":    tick,
	"@spawn":   spawn,
}

func play(name string, args []string) error {
	do := roles[name]
	if do == nil || len(args) == 0 {
		return fmt.Errorf("%w: %s %q", errUsage, name, args)
	}
	return do(args)
}

// open opens a file for reading and closes it, with nothing between.
func open(path string) error {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return syscall.Close(fd)
}

// read FILE LOG waits 30 ms, opens FILE once and appends to LOG its pid and
// when, by the machine's clock in nanoseconds, that was. The wait keeps readers
// that follow each other apart: one theft is to be timed, not a queue of them.
func read(args []string) error {
	time.Sleep(30 * time.Millisecond)
	now := time.Now()
	if err := open(args[0]); err != nil {
		return err
	}
	out, err := os.OpenFile(args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, os.Getpid(), now.UnixNano())
	return errors.Join(err, out.Close())
}

// burst FILE COUNT starts COUNT readers of FILE, two at a time, that exit right
// after the open; each has a number of its own as its last argument.
func burst(args []string) error {
	count, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var next, failed atomic.Int64
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for n := next.Add(1); n <= count; n = next.Add(1) {
				p, err := os.StartProcess(self, []string{self, "@open", args[0], strconv.FormatInt(n, 10)}, &os.ProcAttr{})
				if err != nil {
					failed.Add(1)
					continue
				}
				if st, err := p.Wait(); err != nil || !st.Success() {
					failed.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d of %d readers failed", n, count)
	}
	return nil
}

// spawn PROGRAM COUNT [one] starts PROGRAM COUNT times, one after the other, with a
// number as its argument, and prints how long that took, in nanoseconds. With
// "one" it and what it starts stay on one processor.
func spawn(args []string) error {
	if len(args) < 2 || len(args) > 3 || len(args) == 3 && args[2] != "one" {
		return fmt.Errorf("%w: @spawn %q", errUsage, args)
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if len(args) == 3 {
		runtime.LockOSThread() // what it forks takes its processor over
		defer runtime.UnlockOSThread()
		if err := onOneProcessor(); err != nil {
			return err
		}
	}
	t0 := time.Now()
	for n := range count {
		p, err := os.StartProcess(args[0], []string{args[0], strconv.Itoa(n)}, &os.ProcAttr{})
		if err != nil {
			return err
		}
		if st, err := p.Wait(); err != nil || !st.Success() {
			return fmt.Errorf("%q failed: %v, %w", args[0], st, err)
		}
	}
	fmt.Println(time.Since(t0).Nanoseconds())
	return nil
}

// pace FILE COUNT GAP opens FILE once every GAP and prints how long each
// open() took, in nanoseconds. The first one, which finds caches empty, is
// left out.
func pace(args []string) error {
	count, gap, err := countAndGap(args[1:])
	if err != nil {
		return err
	}
	took := make([]time.Duration, 0, count)
	for next := time.Now(); len(took) <= count; next = next.Add(gap) {
		time.Sleep(time.Until(next))
		t0 := time.Now()
		fd, err := syscall.Open(args[0], syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		took = append(took, time.Since(t0))
		if err != nil {
			return err
		}
		syscall.Close(fd)
	}
	for _, d := range took[1:] {
		fmt.Println(d.Nanoseconds())
	}
	return nil
}

// aside FILE COUNT GAP is pace in a thread other than the first.
func aside(args []string) error {
	done := make(chan error, 1)
	go func() { // the first thread is locked to the caller, so this runs in another
		runtime.LockOSThread()
		done <- pace(args)
	}()
	return <-done
}

// walk FOLDER TIMES opens every file below it, TIMES times.
func walk(args []string) error {
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for range times {
		err = errors.Join(err, filepath.WalkDir(args[0], func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			return open(p)
		}))
	}
	return err
}

// replace FILE COUNT replaces FILE by rename COUNT times and opens it at once
// after each.
func replace(args []string) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	for range count {
		if err := os.WriteFile(args[0]+".new", text, 0o600); err != nil {
			return err
		}
		if err := os.Rename(args[0]+".new", args[0]); err != nil {
			return err
		}
		if err := open(args[0]); err != nil {
			return err
		}
	}
	return nil
}

// rewrite FOLDER writes every package.json below it again, in place and with
// the same text, and prints the path of each.
func rewrite(args []string) error {
	return filepath.WalkDir(args[0], func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "package.json" || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Println(p)
		return nil
	})
}

// tick GAP wakes up every GAP and does nothing, until it is ended.
func tick(args []string) error {
	gap, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	for {
		time.Sleep(gap)
	}
}

func countAndGap(args []string) (count int, gap time.Duration, err error) {
	if len(args) != 2 {
		return 0, 0, fmt.Errorf("%w: a count and a gap are expected, not %q", errUsage, args)
	}
	if count, err = strconv.Atoi(args[0]); err != nil {
		return 0, 0, err
	}
	gap, err = time.ParseDuration(args[1])
	return count, gap, err
}
