package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"wormbell"
	"wormbell/internal/exposure"
	"wormbell/internal/plain"
)

// exposure is what an alert laid open, with what services and files have to
// say about it if there is somebody to ask them.
func (a *app) exposure(ctx context.Context, alert wormbell.Alert) exposure.Exposure {
	x := exposure.Of(alert)
	if a.expose == nil {
		return x
	}
	if err := a.expose(ctx, alert, &x); err != nil && ctx.Err() == nil {
		fmt.Fprintln(a.streams.Err, "warning: not all of what was exposed is known: "+plain.Text(err.Error()))
	}
	return x
}

// show writes one alert with what it laid open.
func (a *app) show(ctx context.Context, alert wormbell.Alert) error {
	x := a.exposure(ctx, alert)
	if a.json {
		return a.print(exposed{alert, x})
	}
	p := a.printer()
	p.exposure = &x
	p.alert(alert)
	return p.err
}

// report writes one alert as a text to send to others.
func (a *app) report(ctx context.Context, alert wormbell.Alert) error {
	host, _ := os.Hostname() // without one the text does not say it
	text := exposure.Report(alert, a.exposure(ctx, alert), exposure.Header{Host: host, Zone: a.zone})
	if a.json {
		return a.print(map[string]any{"version": 1, "report": text})
	}
	_, err := fmt.Fprint(a.streams.Out, text)
	return err
}

// exposed is an alert in JSON with one more field.
type exposed struct {
	wormbell.Alert
	Exposure exposure.Exposure
}

// MarshalJSON writes the alert as ever, and the exposure behind its fields.
func (e exposed) MarshalJSON() ([]byte, error) {
	alert, err := json.Marshal(e.Alert)
	if err != nil {
		return nil, err
	}
	x, err := json.Marshal(e.Exposure)
	if err != nil {
		return nil, err
	}
	head, ok := bytes.CutSuffix(alert, []byte("}"))
	if !ok {
		return nil, errors.New("an alert is no JSON object")
	}
	return fmt.Appendf(nil, `%s,"exposure":%s}`, head, x), nil
}

// unwatched are the stores that are there in the home of the person and that the
// agent does not guard. Files are looked for and not opened.
func unwatched(ctx context.Context, c Agent, home string) ([]exposure.Unwatched, error) {
	files, err := c.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	me := strconv.Itoa(os.Getuid())
	var all []exposure.Unwatched
	for _, f := range files {
		rest, ok := strings.CutPrefix(f.Path, "~/")
		switch {
		case f.Store == wormbell.DecoyStore:
			continue // nothing of the person's is in it
		case !ok || f.State != wormbell.GuardOff && f.State != wormbell.GuardNot || os.Getuid() >= 0 && f.User != me:
			continue
		case slices.ContainsFunc(all, func(u exposure.Unwatched) bool { return u.Store == f.Store }):
			continue // one of a kind is enough
		case strings.Contains(rest, "*/"): // whole trees are not searched for a hint
			continue
		}
		if found, err := filepath.Glob(filepath.Join(home, filepath.FromSlash(rest))); err == nil && len(found) > 0 {
			all = append(all, exposure.Unwatched{Store: f.Store, Kind: f.Kind, Path: f.Path})
		}
	}
	return all, nil
}

// maxTakenBack is how many commands are shown; a report has more.
const maxTakenBack = 6

// exposed writes what an alert laid open.
func (p *printer) exposed(id string, x exposure.Exposure) {
	if doubt := exposure.Doubt(x.Unwatched); doubt != "" { // whatever else there is to say
		defer p.wrapped("", plain.Text(doubt))
		defer p.line("")
	}
	if x.Changed = nil; x.Empty() { // what was changed stands above already
		return
	}
	p.line("")
	p.line("%s", p.look(bold, "Exposed"))
	if x.Demo {
		p.paragraph("  ", "All of this was made up for the demonstration. Nothing of yours was touched.")
	}
	row := func(label, format string, args ...any) {
		for i, l := range wrap(plain.Text(fmt.Sprintf(format, args...)), p.width-13) {
			if i > 0 {
				label = ""
			}
			p.line("  %-9s  %s", label, l)
		}
	}
	p.stolen(x, row)
	for _, v := range x.Versions {
		by := ""
		if v.By != "" {
			by = ", by " + v.By
		}
		if v.Earlier {
			row("published", "%s%s: the registry has it, from before this began; was it you?", v.String(), by)
			continue
		}
		row("published", "%s%s: the registry has it", v.String(), by)
	}
	for i, t := range x.Published {
		if i == maxTouched {
			row("", "… and %d more", len(x.Published)-i)
			break
		}
		row("tried", "to publish %s", t.String())
	}
	p.takeBack(id, x.Commands())
}

// stolen writes the files, the variables and what can be done with them.
func (p *printer) stolen(x exposure.Exposure, row func(label, format string, args ...any)) {
	seen := map[string]bool{}
	for _, f := range x.Files {
		if !seen[f.Path] { // read by several, exposed once
			row("file", "%s: %s", f.Path, f.Kind)
		}
		seen[f.Path] = true
	}
	for _, f := range x.Denied {
		if !seen[f.Path] {
			row("denied", "%s: %s; nothing was read, nothing has to be revoked", f.Path, f.Kind)
		}
		seen[f.Path] = true
	}
	for _, f := range x.Decoys {
		if !seen[f.Path] {
			row("decoy", "%s: made up, nothing has to be revoked", f.Path)
		}
		seen[f.Path] = true
	}
	for i := 0; i < len(x.Variables); { // those of one process together
		by, names := x.Variables[i].By, []string{}
		for ; i < len(x.Variables) && x.Variables[i].By == by; i++ {
			names = append(names, x.Variables[i].Name)
		}
		row("variable", "%s in the environment of %s", strings.Join(names, ", "), by)
	}
	for _, e := range x.Exported {
		row("variable", "%s, exported by %s in line %d to every program", e.Name, e.Path, e.Line)
	}
	for _, t := range x.Reach {
		row("reach", "%s", t.String())
	}
}

// takeBack writes commands to copy: they are not wrapped.
func (p *printer) takeBack(id string, commands []exposure.Command) {
	if len(commands) > 0 {
		p.line("")
		p.line("%s", p.look(bold, "Take back, from a clean machine"))
		for i, c := range commands {
			if i == maxTakenBack {
				p.line("  %s", p.look(dim, "… and "+count(len(commands)-i, "more command")+" in the report"))
				break
			}
			p.line("  %s", c.Line)
		}
	}
	p.line("")
	p.line("  %s%s", p.look(bold, "wormbell alert show "+plain.Text(id)+" --report"), p.look(dim, "  all of it as a text to send"))
}
