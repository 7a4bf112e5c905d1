// Package checkup answers the first question on the first day: is this machine
// infected already, and what lies about that a worm would take?
//
// It only looks. It changes nothing, runs nothing that it finds, asks no service
// and follows nothing out of the home. A home may be hostile and large: files are
// read up to a limit, pipes and devices are left closed, file systems that may
// never answer are left alone, and everything ends in time; what was not looked
// at is said. Of secrets it tells the kind and the place, never a value, a part,
// a digest or a length.
//
// It must not know how the agent works or how a person is asked.
package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/respond/persistence"
	"wormbell/internal/doctor"
	"wormbell/internal/plain"
)

// Config says where to look and with what.
type Config struct {
	Home   string // of the user, absolute
	UID    int    // whose; 0 or less for the caller's
	Getenv func(string) string

	// Announce tells the agent which files, with ~, this program is about to
	// read, so that it does not ring. nil: nobody rings. An error leaves every
	// guarded file closed.
	Announce func(ctx context.Context, files []string) error
	// Off are the IDs of the stores that the agent does not guard: their files
	// need no announcement. nil: every store is guarded.
	Off []string

	// Decoys are the files, with ~, that Wormbell has planted: they are told as
	// such and stay closed.
	Decoys []string

	Agent  doctor.Machine   // what the agent says of itself
	Alerts []wormbell.Alert // that are open

	// Within is how long all of it may take; 0 is for [DefaultWithin].
	Within time.Duration
	Log    func(string) // what a person may be told on the way; nil: nothing

	// For tests: put before paths outside of the home ("/proc", "/tmp"), the
	// programs that persistence runs, and the hosts of token services.
	Root  string
	Run   func(ctx context.Context, stdin []byte, name string, args ...string) ([]byte, error)
	Sites []string
}

// DefaultWithin is how long a checkup takes at most, if nobody says. Three thousand
// projects, 12,000 packages with install scripts among them, take some four
// seconds of processor time, file reads included (BenchmarkHome).
const DefaultWithin = 30 * time.Second

// Run looks at one home. The error says that the home as a whole could not be
// looked at; the report says so too.
func Run(ctx context.Context, c Config) (Report, error) {
	r := Report{Home: plain.Text(c.Home), Sections: []Section{}}
	if c.Getenv == nil {
		c.Getenv = func(string) string { return "" }
	}
	if c.Agent.Status == nil && c.Agent.Err == nil {
		c.Agent.Err = errors.New("no agent was asked")
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Within, DefaultWithin))
	defer cancel()
	h, err := within(ctx, func() (*home, error) { return openHome(c.Home, c.Root) })
	if err != nil {
		r.State, r.Verdict = Cannot, notDone(err)
		return r, fmt.Errorf("check up %q: %w", c.Home, err)
	}
	defer h.close()

	k := &checkup{Config: c, home: h}
	// What waits for a file system that never answers is left behind: it ends with
	// the program, and its section says that it is missing.
	early := []section{{"agent", "Who would see it", k.agent}}
	late := []section{
		{"autostart", "What starts by itself or runs", k.autostart},
		{"traces", "What worms leave behind", k.traces},
		{"tokens", "Secrets in plain files", k.tokens},
		{"settings", "How packages get in", k.settings},
	}
	if _, err := within(ctx, func() (struct{}, error) { return struct{}{}, k.prepare(ctx) }); err != nil {
		r.State, r.Verdict = Cannot, "The home folder could not be looked through: "+plain.Text(reason(err))
		return r, fmt.Errorf("check up %q: %w", c.Home, err)
	}
	waiting := make([]chan Section, 0, len(late))
	for _, s := range late {
		done := make(chan Section, 1)
		waiting = append(waiting, done)
		go func() { // awaited below, for as long as ctx lasts
			out := s.run(ctx)
			if ctx.Err() != nil {
				out.fail("the rest of it: the time was over")
			}
			out.finish()
			done <- out
		}()
	}
	for i, done := range waiting {
		select {
		case s := <-done:
			r.Sections = append(r.Sections, s)
		case <-ctx.Done():
			select {
			case s := <-done: // it noticed too
				r.Sections = append(r.Sections, s)
			case <-time.After(grace):
				none := Section{ID: late[i].id, Title: late[i].title, Findings: []Finding{}}
				none.fail("all of it: the time was over before it answered")
				none.finish()
				r.Sections = append(r.Sections, none)
			}
		}
	}
	for _, s := range early {
		out := s.run(ctx)
		out.finish()
		r.Sections = append(r.Sections, out)
	}
	r.judge()
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return r, ctx.Err() // nobody waits for it any more
	}
	return r, nil
}

// grace is what a section gets to write down what it has when the time is over.
const grace = 2 * time.Second

// section is one part of the checkup.
type section struct {
	id, title string
	look      func(ctx context.Context, s *Section)
}

func (s section) run(ctx context.Context) Section {
	out := Section{ID: s.id, Title: s.title, Findings: []Finding{}, NotLooked: []string{}}
	s.look(ctx, &out)
	return out
}

// checkup is one run.
type checkup struct {
	Config
	home *home

	// What prepare finds; the sections read it only.
	projects  []project
	envs      []string        // .env files, with ~
	workflows []string        // of GitHub, with ~
	walked    int             // folders gone through
	stopped   []string        // why the walk is not complete
	may       map[string]bool // guarded files, with ~, that may be read
	closed    string          // why guarded files are left closed; ""
	holds     []string        // files that may hold secrets, with ~
	blind     []string        // why some of those may be missing
}

// prepare goes through the home by names alone, and announces what is to be read.
func (k *checkup) prepare(ctx context.Context) error {
	k.walk(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return k.announce(ctx)
}

// autostart looks at what starts by itself or runs already, and judges it by
// what it does.
func (k *checkup) autostart(ctx context.Context, s *Section) {
	folders := make([]string, 0, len(k.projects))
	for _, p := range k.projects {
		folders = append(folders, filepath.Join(k.Home, filepath.FromSlash(p.dir)))
	}
	slices.Sort(folders)
	// Half of the time is for looking, the rest for judging: whoever fills a home
	// with what takes long to judge hides nothing that was judged before.
	half := time.Second
	if end, ok := ctx.Deadline(); ok {
		half = max(half, time.Until(end)/2)
	}
	look, cancel := context.WithTimeout(ctx, half)
	defer cancel()
	found, err := persistence.Look(look, persistence.Config{Home: k.home.dir, Judge: half, Projects: folders[:min(len(folders), maxHooked)],
		Announced: k.closed == "", Root: k.Root, UID: k.UID, Run: k.Run, Sites: k.Sites})
	if err != nil {
		s.fail("%v", err)
	}
	if n := len(folders) - maxHooked; n > 0 {
		s.skip("git hooks and editor tasks of %d of %d projects", n, len(folders))
	}
	for _, line := range found.NotLooked {
		s.skip("%s", line)
	}
	s.Looked = fmt.Sprintf("%d entries and processes", found.Looked)
	for _, t := range found.Traps {
		f := Finding{Level: Note, Kind: "autostart", What: capital(t.What), Where: t.Path, SoWhat: strings.Join(t.Why, "; ")}
		if t.What == persistence.Running {
			f.Kind = "process"
		}
		if t.Entry != "" {
			f.Where += ", " + t.Entry
		}
		if t.Program != "" {
			f.What += " that runs " + plain.Cut(t.Program, 160)
		}
		if t.Live {
			f.What += ", now"
		}
		switch {
		case t.Weight == persistence.Blocks, t.Ruins:
			f.Level = Sign
			f.Do = remedy(t)
		default:
			f.Do = "look whether you know it; if not, ask whoever set up this machine"
		}
		s.fold(f, t.PIDs)
	}
}

// remedy is how a trap is taken out of service by hand, the harmless way: what is
// frozen cannot notice that it is being looked at.
func remedy(t persistence.Trap) string {
	var steps []string
	if len(t.PIDs) > 0 {
		pids := ""
		for _, pid := range t.PIDs[:min(len(t.PIDs), 10)] {
			pids += fmt.Sprintf(" %d", pid)
		}
		steps = append(steps, "freeze it: kill -STOP"+pids)
	}
	switch t.What {
	case persistence.Running:
		steps = append(steps, "look in an editor at what it runs, then end it: kill -KILL")
	case persistence.Unit:
		steps = append(steps, "look in an editor at what it runs, then: systemctl --user disable --now "+quoted(filepath.Base(t.Path)))
	default:
		steps = append(steps, "look at it in an editor, and take it out there")
	}
	return strings.Join(steps, "; ") + "; revoke no token while it is there"
}

// fold adds f, or, if the same has been said of another process of the same
// program, only its number.
func (s *Section) fold(f Finding, pids []int) {
	if f.Kind != "process" || f.Level != Note || len(pids) != 1 {
		s.add(f)
		return
	}
	program, _, _ := strings.Cut(f.Where, ", pid ")
	f.Where = program + ", pid "
	for i := range s.Findings {
		old := &s.Findings[i]
		if same := *old; strings.HasPrefix(old.Where, f.Where) {
			if same.Where = f.Where; same == f {
				old.Where += fmt.Sprintf(" %d", pids[0])
				return
			}
		}
	}
	f.Where += fmt.Sprint(pids[0])
	s.add(f)
}

// maxHooked is how many projects' hooks and tasks are looked at: some ten files each.
const maxHooked = 5000

// capital is s as a sentence begins; npm and its kin are written small.
func capital(s string) string {
	if s == "" || strings.HasPrefix(s, "npm ") || strings.HasPrefix(s, "crates.io ") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// agent says who would see a worm at work: the checks of the doctor that are
// about the agent, and what it has rung for.
func (k *checkup) agent(ctx context.Context, s *Section) {
	s.Looked = "the agent"
	for _, c := range doctor.All {
		if !slices.Contains([]string{"agent", "rights", "sensors", "losses", "problems"}, c.Name) {
			continue
		}
		r := c.Run(ctx, k.Agent)
		if k.Agent.Status == nil && c.Name != "agent" {
			continue // the first says it all
		}
		f := Finding{Kind: "agent", What: capital(strings.TrimSuffix(r.Says, ".")), Do: r.Do}
		switch r.State {
		case doctor.OK:
			f.Level = Fine
		case doctor.Unknown:
			f.Level = Unknown
		default:
			f.Level = Risk
			f.SoWhat = "a worm might not be noticed"
		}
		s.add(f)
	}
	for _, a := range k.Alerts {
		if a.Demo || a.State == wormbell.Closed || a.Severity < wormbell.High {
			continue
		}
		f := Finding{Level: Risk, Kind: "alert", What: "The agent rang: " + a.Title, Where: "alert " + a.ID,
			SoWhat: "nobody has answered it", Do: "wormbell alert " + a.ID}
		if a.Severity >= wormbell.Critical {
			f.Level, f.Do = Sign, "wormbell respond "+a.ID
		}
		s.add(f)
	}
}

// within runs do, and returns its answer or the error of ctx: a file system in
// user space need not answer at all. What is left behind ends with the program.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := do()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// reason is err in words, without the path, which the reader has been told already.
func reason(err error) string {
	var p *fs.PathError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the time was over"
	case errors.Is(err, os.ErrPermission):
		return "permission denied"
	case errors.As(err, &p):
		return p.Err.Error()
	}
	return err.Error()
}
