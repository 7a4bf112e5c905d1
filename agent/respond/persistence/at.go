package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"wormbell/agent/respond/edit"
)

// This file holds the jobs of at(1). A job repeats the whole environment of who
// made it, tokens included. Whole it is only in the copy that is kept of it;
// what is shown and noted are its commands, without the values that they set.

// lookAt finds what at(1) is to run once.
func lookAt(ctx context.Context, s *scan) {
	out, err := s.Run(ctx, nil, "atq")
	if err != nil {
		if !missingProgram(err) {
			s.skip("the jobs of at: %v", err)
		}
		return
	}
	for line := range strings.Lines(string(out)) {
		id, when, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || !digits.MatchString(id) || len(s.entries) > 5000 {
			continue
		}
		job, err := s.Run(ctx, nil, "at", "-c", id)
		if err != nil {
			s.skip("job %s of at: %v", id, err)
			continue
		}
		code := atCommands(string(job))
		e := &entry{what: AtJob, path: "at", part: "job " + id, text: withoutValues(code), starts: true, inline: []string{code}, tell: "it is to run at " + clean(when),
			steps: []step{{Kind: stepAt, Names: []string{id, atTime(when)}, Old: code}}}
		for part := range strings.Lines(code) {
			s.commandLine(e, part)
		}
		s.add(e)
	}
}

var digits = regexp.MustCompile(`^\d{1,9}$`)

// atCommands are the commands of a job, without the environment before them:
// at(1) writes "cd dir || { … exit 1 }" between the two.
func atCommands(job string) string {
	if _, after, ok := strings.Cut(job, "\n}\n"); ok {
		return strings.TrimSpace(after)
	}
	var kept []string
	value := false // in the middle of one: it may have several rows
	for line := range strings.Lines(job) {
		t := strings.TrimSpace(line)
		switch {
		case value:
			value = !strings.Contains(t, "; export ")
		case atVariable.MatchString(t) && strings.Count(t, `"`)%2 != 0:
			value = true
		case t != "" && !strings.HasPrefix(t, "#") && !strings.Contains(t, "; export "):
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "\n")
}

var atVariable = regexp.MustCompile(`^[A-Za-z_]\w*=`)

// setting is a variable that is set, in a shell's writing. A quote that does
// not end goes to the end.
var setting = regexp.MustCompile(`(?s)(^|[\s;&|({]|--?[\w-]+=)([A-Za-z_]\w*\+?=)((?:"(?:[^"\\]|\\.)*(?:"|$)|'[^']*(?:'|$)|\\.|[^\s;&|"'\\])+)`)

// withoutValues is code without the values of the variables that it sets.
func withoutValues(code string) string { return setting.ReplaceAllString(code, "$1$2***") }

// atTime is when a job runs, as atq(1) says it, in the writing of at -t, "" if it
// is said in another way.
func atTime(when string) string {
	const layout = "Mon Jan _2 15:04:05 2006"
	t, err := time.Parse(layout, when[:min(len(when), len(layout))])
	if err != nil {
		return ""
	}
	return t.Format("200601021504.05")
}

// at takes a job away. It is asked for once more, to keep it whole.
func (d *disabling) at(ctx context.Context, st step) error {
	job, err := d.Run(ctx, nil, "at", "-c", st.Names[0])
	if err != nil {
		return err
	}
	if atCommands(string(job)) != st.Old {
		return fmt.Errorf("%w: the job is another one now", edit.ErrChanged)
	}
	it := item{Kind: st.Kind, Copy: itoa(len(d.manifest.Items)+1) + "-at-job", Names: st.Names}
	to, err := os.OpenFile(filepath.Join(d.folder, it.Copy), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = to.Write(job)
	if err = errors.Join(err, to.Sync(), to.Close(), syncDir(d.folder)); err != nil {
		return err
	}
	if err := d.note(it); err != nil {
		return err
	}
	if _, err := d.Run(ctx, nil, "atrm", st.Names[0]); err != nil {
		return err
	}
	d.did("took job %s of at away", st.Names[0])
	return nil
}

// atLine is a job that was taken, for a person: what it runs is read from the
// copy that would be put back, not from what the manifest says of it.
func atLine(folder string, it item) string {
	code := it.Old // of earlier versions
	if it.Copy != "" {
		b, err := readCopy(folder, it.Copy)
		if err != nil {
			return fmt.Sprintf("the copy of the job: %v", plainError(err))
		}
		code = atCommands(string(b))
	}
	line := it.Kind
	if len(it.Names) > 0 {
		line += " " + it.Names[0]
	}
	return line + ": " + command(withoutValues(code))
}

// atAgain says how a person puts a job back: at(1) gives it another number, and
// when it was to run may be over.
func atAgain(folder string, it item) error {
	when := "TIME"
	if len(it.Names) > 1 && atWhen.MatchString(it.Names[1]) {
		when = "-t " + it.Names[1]
	}
	if it.Copy == "" { // of earlier versions
		return fmt.Errorf("%w: give it to at(1) again: %s", ErrByHand, command(withoutValues(it.Old)))
	}
	if _, err := readCopy(folder, it.Copy); err != nil {
		return err
	}
	return fmt.Errorf("%w: at %s -f %s", ErrByHand, when, filepath.Join(folder, it.Copy))
}

var atWhen = regexp.MustCompile(`^\d{12}\.\d\d$`)

// readCopy reads what was kept as name in a folder of the quarantine.
func readCopy(folder, name string) ([]byte, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("%q is not the name of a copy", name)
	}
	f, err := os.OpenFile(filepath.Join(folder, name), os.O_RDONLY|openSafely, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, errKind)
	}
	return io.ReadAll(io.LimitReader(f, maxOutput))
}
