// Package scratch gives a person's machine in small: a home with decoy
// credentials, a terminal with a shell, a registry on loopback and an agent that
// guards the home. For programs that play something before the real agent.
//
// Everything is in one folder and is gone with it. It must not know what is
// played, nor how the agent decides.
package scratch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/creack/pty"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/daemon"
	"wormbell/internal/registry"
)

// Token is what the registry takes. It looks like npm's; its checksum is wrong.
const Token = "npm_" + "Zk3qWm8vR1tYx5LcB9dNf2HsJ7gPa4UeQ0oi"

// Machine is such a machine. Its methods are for one goroutine.
type Machine struct {
	Dir      string // everything is in it
	Home     string
	Temp     string // outside the home
	Registry *registry.Server

	extra []string // of the environment
	tty   *os.File
	typed int
	agent *daemon.Daemon
	api   *client.Client
}

// New makes one without a shell and an agent. $DIR in what is to stand in the
// environment is its folder. Close it, also after an error.
func New(name string, env ...string) (*Machine, error) {
	dir, err := os.MkdirTemp("", "wormbell-"+name+"-")
	if err != nil {
		return &Machine{}, fmt.Errorf("make a scratch machine: %w", err)
	}
	m := &Machine{Dir: dir, Home: filepath.Join(dir, "home"), Temp: filepath.Join(dir, "tmp")}
	for _, e := range env {
		m.extra = append(m.extra, strings.ReplaceAll(e, "$DIR", dir))
	}
	for _, d := range []string{m.Home, m.Temp} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return m, fmt.Errorf("make a scratch machine: %w", err)
		}
	}
	if m.Registry, err = registry.New(); err != nil {
		return m, err
	}
	m.Registry.RequireToken(Token, "dev")
	return m, nil
}

// Write writes a file below the machine's folder, and the folders above it. What
// begins like a script may be run.
func (m *Machine) Write(file, text string) error {
	mode := os.FileMode(0o600)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("set the stage: %w", err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		return fmt.Errorf("set the stage: %w", err)
	}
	return nil
}

// Env is the whole environment of everything on the machine.
func (m *Machine) Env() []string {
	return append([]string{"HOME=" + m.Home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "USER=dev", "TERM=dumb", "NO_COLOR=1", "TMPDIR=" + m.Temp,
		"npm_config_cache=" + filepath.Join(m.Home, ".npm"), "GIT_CONFIG_NOSYSTEM=1"}, m.extra...)
}

// Shell starts a person's shell at a terminal, as after a login: nothing of ours
// is above it. The agent must start later: it would know who made it.
func (m *Machine) Shell() error {
	f, tty, err := pty.Open()
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	defer tty.Close()
	m.tty = f
	go func() { // until the terminal is closed; the shell would stand still if nobody read
		b := make([]byte, 4096)
		for {
			if _, err := f.Read(b); err != nil {
				return
			}
		}
	}()
	cmd := exec.Command("setsid", "--fork", "--ctty", "bash", "--norc", "--noprofile", "-i")
	cmd.Env, cmd.Dir = m.Env(), m.Home
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("start a shell: %w", err)
	}
	return nil
}

// Type types a line into the shell and does not wait for what comes of it.
func (m *Machine) Type(line string) error {
	if _, err := m.tty.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	return nil
}

// Do types a line, waits until it has been carried out, and returns its exit
// status and what it wrote.
func (m *Machine) Do(ctx context.Context, line string) (out string, status int, err error) {
	m.typed++
	said := filepath.Join(m.Dir, fmt.Sprint("typed-", m.typed))
	// The line is in a file, so that no line is longer than a terminal takes; the
	// shell reads it, and what it says is a person's.
	if err := os.WriteFile(said+".sh", []byte(line+"\n"), 0o644); err != nil {
		return "", 0, fmt.Errorf("type: %w", err)
	}
	if err := m.Type(fmt.Sprintf(". %[1]s.sh >%[1]s.out 2>&1; echo $? >%[1]s.new; mv %[1]s.new %[1]s.end", said)); err != nil {
		return "", 0, err
	}
	return m.await(ctx, said)
}

// await waits until a line says that it has been carried out.
func (m *Machine) await(ctx context.Context, said string) (out string, status int, err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := os.ReadFile(said + ".end")
		if err == nil {
			text, err := os.ReadFile(said + ".out")
			_, scanErr := fmt.Sscan(string(b), &status)
			return string(text), status, errors.Join(err, scanErr)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := os.ReadFile(said + ".out") // whatever is there
			return string(text), 0, fmt.Errorf("what was typed does not end: %w", ctx.Err())
		}
	}
}

// Alone runs a line of bash as cron does: in a session without a terminal, whose
// parent is the first process. It returns when it has ended.
func (m *Machine) Alone(ctx context.Context, dir, line string) (out string, status int, err error) {
	m.typed++
	said := filepath.Join(m.Dir, fmt.Sprint("alone-", m.typed))
	cmd := exec.CommandContext(ctx, "setsid", "--fork", "bash", "-c", line+"\nstatus=$?; echo $status >"+said+".new; mv "+said+".new "+said+".end")
	cmd.Dir, cmd.Env = dir, m.Env()
	log, err := os.Create(said + ".out")
	if err != nil {
		return "", 0, fmt.Errorf("run alone: %w", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return "", 0, fmt.Errorf("run alone: %w", err)
	}
	return m.await(ctx, said)
}

// Guard starts the agent of a folder of programs and waits until it guards.
func (m *Machine) Guard(ctx context.Context, bin string) error {
	socket := filepath.Join(m.Dir, "run", "wormbell.sock")
	var err error
	if m.agent, err = daemon.Start(filepath.Join(bin, "wormbelld"), filepath.Join(m.Dir, "agent.log"),
		"--state", filepath.Join(m.Dir, "state"), "--socket", socket, "--home", m.Home); err != nil {
		return err
	}
	return m.agent.Await(ctx, func(context.Context) (err error) {
		m.api, err = client.Dial(client.Config{Socket: socket})
		return err
	})
}

// Alerts are the agent's alerts of this machine, with the findings that are of
// it: other machines may be played on the same system.
func (m *Machine) Alerts(ctx context.Context) ([]wormbell.Alert, error) {
	all, err := m.api.Alerts(ctx, true)
	if err != nil {
		return nil, err
	}
	list := []wormbell.Alert{}
	for _, a := range all {
		findings := []wormbell.Finding{}
		for _, f := range a.Findings {
			if b, err := json.Marshal(f); err == nil && strings.Contains(string(b), filepath.Base(m.Dir)) {
				findings = append(findings, f)
			}
		}
		if a.Findings = findings; len(findings) > 0 {
			list = append(list, a)
		}
	}
	return list, nil
}

// Events calls each with every event of this machine that the agent sees from now
// on, until ctx is done.
func (m *Machine) Events(ctx context.Context, each func(wormbell.Event)) error {
	return m.api.Events(ctx, func(e wormbell.Event) error {
		if b, err := json.Marshal(e); err == nil && strings.Contains(string(b), filepath.Base(m.Dir)) {
			each(e)
		}
		return nil
	})
}

// Status is what the agent says of itself.
func (m *Machine) Status(ctx context.Context) (wormbell.Status, error) { return m.api.Status(ctx) }

// Close ends what runs and removes the folder.
func (m *Machine) Close() error {
	var errs []error
	if m.tty != nil {
		m.tty.WriteString("\x03\nexit\n") // fails if the shell has gone
		m.tty.Close()
	}
	if m.api != nil {
		m.api.Release()
	}
	if m.agent != nil {
		errs = append(errs, m.agent.Stop())
	}
	if m.Registry != nil {
		errs = append(errs, m.Registry.Close())
	}
	if m.Dir == "" {
		return errors.Join(errs...)
	}
	err := os.RemoveAll(m.Dir)
	for range 40 { // npm's last line may come while its folder is removed
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
		err = os.RemoveAll(m.Dir)
	}
	return errors.Join(append(errs, err)...)
}
