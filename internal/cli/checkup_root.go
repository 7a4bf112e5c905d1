package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"wormbell/internal/checkup"
	"wormbell/internal/plain"
)

// This file is root's checkup: root reads nobody else's files, so every home is
// looked at by a run of this program as its owner. What that run says is the
// word of whoever owns the home: it is read as a stranger's.

const (
	// maxReport is how much a run may say, in bytes. A large home's report has
	// some hundred thousand.
	maxReport = 8 << 20
	// maxComplaint is how much of its complaints is shown, in bytes.
	maxComplaint = 4 << 10
	// childGrace is how much longer than it is told a run may take: it asks the
	// agent first, and writes down what it has in the end.
	childGrace = 30 * time.Second
	// reapTime is how long a run may take to end once it is told to. Its owner can
	// stop it, or have it wait for a file system that never answers.
	reapTime = 10 * time.Second
)

var (
	errSilent  = errors.New("the run as its owner did not end in time")
	errTooLong = errors.New("the report of the run as its owner is longer than reports are")
)

// checkupAs runs this program once for each home, as its owner.
func (a *app) checkupAs(ctx context.Context, o checkupOptions, homes []personHome) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return a.checkupBy(ctx, o, exe, homes)
}

// checkupBy is checkupAs with the program exe.
func (a *app) checkupBy(ctx context.Context, o checkupOptions, exe string, homes []personHome) error {
	if len(homes) == 1 && homes[0].why == nil && !a.json && !o.noQuestions && homes[0].name != "" && homes[0].name == behindSudo() {
		// It is their terminal: they can be asked.
		status, err := a.asUser(ctx, homes[0].user(), child{program: exe, args: a.childArgs(o, homes[0]), env: []string{handedOn + "=1"}})
		if err == nil && status != exitFine {
			err = exitStatus(status)
		}
		return err
	}
	reports := []checkup.Report{}
	for i, h := range homes {
		r := a.checkupOf(ctx, h, exe, o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reports = append(reports, r)
		if a.json {
			continue
		}
		p := a.printer()
		if i > 0 {
			p.line("")
		}
		p.line("%s", p.look(bold, "— "+r.Home+" —"))
		p.checkup(r)
	}
	if a.json {
		if err := a.print(list("checkups", reports)); err != nil {
			return err
		}
	} else if len(reports) > 1 {
		p := a.printer()
		p.line("")
		p.paragraph("", ofHomes(reports))
	}
	signs, cannot := having(reports, checkup.Signs), having(reports, checkup.Cannot)
	switch {
	case len(signs) > 0:
		return errAlerts
	case len(cannot) > 0:
		return fmt.Errorf("%d of %d homes could not be looked at, or not to the end: %s", len(cannot), len(homes), someOf(cannot))
	}
	return nil
}

// having are the homes of the reports with that state.
func having(reports []checkup.Report, state string) (homes []string) {
	for _, r := range reports {
		if r.State == state {
			homes = append(homes, r.Home)
		}
	}
	return homes
}

// someOf lists homes, the first few by name.
func someOf(homes []string) string {
	const most = 10
	if n := len(homes) - most; n > 0 {
		return strings.Join(homes[:most], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(homes, ", ")
}

// ofHomes is the verdict about several homes: what is bad comes first.
func ofHomes(reports []checkup.Report) string {
	signs, cannot, partly := having(reports, checkup.Signs), having(reports, checkup.Cannot), 0
	for _, r := range reports {
		if r.State == checkup.NoSign && r.NotLooked > 0 {
			partly++
		}
	}
	var parts []string
	if n := len(signs); n > 0 {
		parts = append(parts, fmt.Sprintf("%d with signs of a worm (%s)", n, someOf(signs)))
	}
	if n := len(cannot); n > 0 {
		parts = append(parts, fmt.Sprintf("%d that could not be looked at, or not to the end (%s)", n, someOf(cannot)))
	}
	if n := len(reports) - len(signs) - len(cannot); n > 0 {
		part := fmt.Sprintf("%d without a sign", n)
		if partly > 0 {
			part += fmt.Sprintf(", in %d of which something could not be looked at", partly)
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("Of %d homes: %s.", len(reports), strings.Join(parts, "; "))
}

// user is the owner of the home, for a run as them.
func (h personHome) user() *user.User {
	return &user.User{Uid: strconv.Itoa(h.uid), Gid: strconv.Itoa(h.gid), Username: h.name, HomeDir: h.dir}
}

// childArgs is the command line of a run for the home h.
func (a *app) childArgs(o checkupOptions, h personHome, more ...string) []string {
	args := append([]string{"checkup", "--home", h.dir, "--within", o.within.String()}, more...)
	if a.socket != "" {
		args = append(args, "--socket", a.socket)
	}
	return args
}

// checkupOf looks at the home h by a run of exe as its owner, which has nothing of
// ours: no terminal to read what root types or to write to, no group but its own,
// and no more time and words than it needs.
func (a *app) checkupOf(ctx context.Context, h personHome, exe string, o checkupOptions) checkup.Report {
	if h.why != nil {
		return checkup.NotDone(h.dir, h.why)
	}
	limit, cancel := context.WithTimeout(ctx, o.within+cmp.Or(o.grace, childGrace))
	defer cancel()
	said, complained := &bounded{most: maxReport, whole: true}, &bounded{most: maxComplaint}
	type ended struct {
		status int
		err    error
	}
	done := make(chan ended, 1)
	go func() {
		status, err := a.asUser(limit, h.user(), child{program: exe, args: a.childArgs(o, h, "--json", "--no-questions"), env: []string{handedOn + "=1"},
			out: said, err: complained, alone: true})
		done <- ended{status, err}
	}()
	var end ended
	select {
	case end = <-done:
	case <-limit.Done():
		select {
		case end = <-done:
		case <-time.After(reapTime): // it cannot even be ended; neither buffer is touched again
			return checkup.NotDone(h.dir, errSilent)
		}
	}
	for line := range strings.Lines(complained.kept.String()) {
		fmt.Fprintln(a.streams.Err, "wormbell: "+plain.Text(h.dir)+": "+plain.Text(strings.TrimSpace(line)))
	}
	switch {
	case said.over:
		return checkup.NotDone(h.dir, errTooLong)
	case limit.Err() != nil:
		return checkup.NotDone(h.dir, errSilent)
	case end.err != nil:
		return checkup.NotDone(h.dir, end.err)
	}
	var answer struct{ Checkups []checkup.Report }
	if err := json.Unmarshal(said.kept.Bytes(), &answer); err != nil || len(answer.Checkups) != 1 {
		return checkup.NotDone(h.dir, fmt.Errorf("the run as its owner ended with status %d and without a report", end.status))
	}
	return answer.Checkups[0].Foreign(h.dir)
}

// bounded keeps the first bytes of what is written to it, most at most. If only
// the whole is of use, more is an error, which ends the writer. It has no other
// way in: what copies to it must not go around the limit (io.ReaderFrom).
type bounded struct {
	kept  bytes.Buffer
	most  int
	whole bool
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.most-b.kept.Len())
	b.kept.Write(p[:min(room, len(p))])
	if len(p) > room {
		if b.over = true; b.whole {
			return room, errTooLong
		}
	}
	return len(p), nil
}
