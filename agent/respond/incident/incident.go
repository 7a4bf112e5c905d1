// Package incident answers an alert as a whole, in the one order that wakes no
// dead-man's switch: freeze the thief, look for what it left behind, disable
// that, and only then make new tokens and revoke the old ones; at the end the
// thief is ended.
//
// It puts together what other packages can do and knows no service and no
// mechanism itself. It runs as the user.
package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/persistence"
	"wormbell/internal/stores"
)

// Agent is what the agent does of a response.
type Agent interface {
	Freeze(ctx context.Context, id string) (string, error)
	Kill(ctx context.Context, id string) (string, error)
	Close(ctx context.Context, id, reason string) error
	Act(ctx context.Context, id string, a wormbell.Action) error
	Announce(ctx context.Context, paths []string, d time.Duration) error
}

// Config says what to answer and how.
type Config struct {
	Machine *respond.Machine
	Kinds   []respond.Kind  // nil: respond.All
	Agent   Agent           // nil if none answers: then there is no alert either
	Alert   *wormbell.Alert // nil: Tokens only
	By      string          // uid or SID of the person

	// Tokens are names of tokens, or IDs of kinds, to answer for instead of
	// those that the alert exposed; nil for those.
	Tokens []string

	// Doubt is what may have been taken without a word, for the plan to say; "" for
	// nothing.
	Doubt string

	// Announced has nothing read that the agent does not take the announcement of,
	// and nothing planned then: for who would be taken for a thief, and could not
	// answer the alert about itself.
	Announced bool

	ContainNow bool
	RevokeOnly bool
	Force      bool          // revoke although something lies in wait
	Patience   time.Duration // see respond.Rotator

	// Look looks for persistence; nil: persistence.Look.
	Look func(context.Context, persistence.Config) (persistence.Report, error)
}

// ErrWaiting is wrapped by errors that say that nothing was revoked because
// something that may wait for that is still there.
var ErrWaiting = errors.New("something may be waiting for a token to die")

// ErrUnannounced is wrapped by errors that say that nothing was looked at, as the
// agent would ring for it.
var ErrUnannounced = errors.New("nothing was looked at and nothing is planned; start Wormbell from a terminal or from its icon, and plan there")

// ErrNoToken is wrapped by errors that say that no token is called so.
var ErrNoToken = errors.New("there is no such token here")

const (
	// margin is how long before the first finding the incident may have begun:
	// a worm sets its traps before it takes what makes the bell ring.
	margin = 10 * time.Minute
	// announcedFor is how long reading the files of a plan may take: a person
	// reads the plan in between.
	announcedFor = 10 * time.Minute
	// announcedAtOnce is how many files one announcement may hold.
	announcedAtOnce = 64
	// actWithin is how long noting one thing on the alert may take.
	actWithin = 5 * time.Second
	// maxAnnounced is how many are announced altogether.
	maxAnnounced = 256
)

// Response is an answer that is prepared: nothing was touched yet.
type Response struct {
	c         Config
	rotator   *respond.Rotator
	announced bool                 // the agent knows what we read
	mute      bool                 // the agent takes no notes
	failed    error                // why the look for persistence is not whole
	froze     bool                 // the thief was stopped
	read      map[string]time.Time // when each exposed file, with ~, was last read

	Tokens      []respond.Token    `json:"tokens"`      // to be answered for, in the order in which worms use them
	Begun       []respond.Outcome  `json:"begun"`       // what an earlier answer began and did not end: it is gone on with
	Replaced    []respond.Token    `json:"replaced"`    // stand where exposed ones stood, by an earlier answer, and are not exposed
	Alike       []string           `json:"alike"`       // names of tokens with the same value, which die with them
	Persistence persistence.Report `json:"persistence"` // what may lie in wait
	Decoys      []string           `json:"decoys"`      // that were opened, with ~: nothing has to be done about them
	ByHand      []string           `json:"by_hand"`     // what was exposed and cannot be answered by us, one sentence each
	Problems    []string           `json:"problems"`    // what could not be read or asked while preparing
	Pages       []respond.Page     `json:"pages"`       // where a person can revoke from another machine
}

// Prepare announces to the agent what it reads, finds the tokens that were
// exposed and looks for persistence. It changes nothing.
func Prepare(ctx context.Context, c Config) (*Response, error) {
	if c.Kinds == nil {
		c.Kinds = respond.All
	}
	if c.Look == nil {
		c.Look = persistence.Look
	}
	r := &Response{c: c, Tokens: []respond.Token{}, Begun: []respond.Outcome{}, Replaced: []respond.Token{}, Alike: []string{}, Decoys: []string{}, ByHand: []string{}, Problems: []string{}, Pages: []respond.Page{}}
	r.rotator = &respond.Rotator{Machine: c.Machine, Kinds: c.Kinds, By: c.By, Patience: c.Patience, Did: r.act}

	if r.demo() { // what it did was to decoys in a home of its own: nothing of the person's is looked at
		r.Persistence = persistence.Report{Traps: []persistence.Trap{}, NotLooked: []string{}}
		return r, nil
	}
	exposed := r.exposed()
	kinds := r.kinds(exposed)
	files := existing(c.Machine, kinds)
	if reads := append(slices.Clone(files), persistence.Guarded()...); c.Announced && c.Agent != nil {
		if err := announce(ctx, c.Agent, reads); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnannounced, cmp.Or(errors.Unwrap(err), err))
		}
		r.announced = true
	} else {
		r.announced = r.announce(ctx, reads)
	}
	all, err := respond.Find(ctx, c.Machine, kinds, files)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil {
		r.problem(err)
	}
	if err := r.choose(all, exposed); err != nil {
		return nil, err
	}
	r.earlier()
	if c.Alert != nil {
		r.environment(ctx)
	}
	r.Persistence, err = c.Look(ctx, r.look(r.announced))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if err != nil {
		r.problem(err)
		r.failed = err
	}
	for _, t := range r.Tokens {
		if k := r.kind(t.Kind); k != nil && k.Pages != nil {
			r.Pages = append(r.Pages, k.Pages(t)...)
		}
	}
	for _, u := range r.Begun {
		r.Pages = append(r.Pages, u.Pages...)
	}
	return r, nil
}

// demo reports whether this answers a demonstration. Its own processes are frozen
// and ended, as the demonstration shows; nothing else is touched or read.
func (r *Response) demo() bool { return r.c.Alert != nil && r.c.Alert.Demo }

func (r *Response) problem(err error) { r.Problems = append(r.Problems, err.Error()) }

func (r *Response) kind(id string) *respond.Kind {
	i := slices.IndexFunc(r.c.Kinds, func(k respond.Kind) bool { return k.ID == id })
	if i < 0 {
		return nil
	}
	return &r.c.Kinds[i]
}

// look says where to look for persistence.
func (r *Response) look(announced bool) persistence.Config {
	c := persistence.Config{Home: r.c.Machine.Home, State: r.c.Machine.State, Announced: announced, Now: r.c.Machine.Now, Log: r.c.Machine.Log}
	for _, t := range slices.Concat(r.Tokens, r.Replaced) {
		if u, err := url.Parse(t.Site); err == nil && u.Host != "" && !slices.Contains(c.Sites, u.Host) {
			c.Sites = append(c.Sites, u.Host)
		}
	}
	if r.c.Alert == nil {
		return c
	}
	c.Since = r.c.Alert.First.Add(-margin)
	for _, f := range r.c.Alert.Findings {
		for p := range f.Process.Chain {
			c.Projects = project(c.Projects, p.Cwd)
		}
		for _, e := range f.Evidence {
			for p := range e.Process.Chain {
				c.Projects = project(c.Projects, p.Cwd)
			}
		}
	}
	return c
}

// project adds the folder that dir is, or lies below in node_modules, to list.
func project(list []string, dir string) []string {
	if i := strings.Index(dir, "/node_modules"); i >= 0 {
		dir = dir[:i]
	}
	if dir == "" || dir == "/" || len(list) >= 16 || slices.Contains(list, dir) {
		return list
	}
	return append(list, dir)
}

// exposed returns the files, with ~, whose tokens the alert says are exposed.
func (r *Response) exposed() []string {
	var files []string
	if r.c.Alert == nil {
		return nil
	}
	r.read = map[string]time.Time{}
	add := func(p string, at time.Time) {
		if stores.Of(p) != nil && !slices.Contains(files, p) {
			files = append(files, p)
		}
		if at.After(r.read[p]) {
			r.read[p] = at
		}
	}
	for _, f := range r.c.Alert.Findings {
		last := f.Time // not kept by the agent; then that of its evidence
		for _, e := range f.Evidence {
			if e.Time.After(last) {
				last = e.Time
			}
			if e.Decoy {
				if !slices.Contains(r.Decoys, e.Path) {
					r.Decoys = append(r.Decoys, e.Path)
				}
			} else if e.Kind == wormbell.FileRead && !e.Denied() {
				add(e.Path, e.Time)
			}
		}
		if !f.Denied() {
			add(f.Subject, last)
		}
		if strings.HasPrefix(f.Detector, "publish-") {
			// Whoever publishes has a token that may, whether it was seen to
			// read it or inherited it.
			for _, p := range stores.ByID("npm").Paths {
				add(p, last)
			}
		}
	}
	return files
}

// kinds are those that may stand in the files, or that were asked for by name.
func (r *Response) kinds(files []string) []respond.Kind {
	return slices.DeleteFunc(slices.Clone(r.c.Kinds), func(k respond.Kind) bool {
		if r.c.Tokens != nil {
			return !slices.ContainsFunc(r.c.Tokens, func(name string) bool {
				id, _, _ := strings.Cut(name, ":")
				return id == k.ID
			})
		}
		return !slices.ContainsFunc(files, func(f string) bool {
			s := stores.Of(f)
			return s != nil && slices.Contains(k.Stores, s.ID)
		})
	})
}

// existing are the files, with ~, in which tokens of kinds may stand and that
// are there.
func existing(m *respond.Machine, kinds []respond.Kind) []string {
	files := []string{}
	for _, k := range kinds {
		for _, id := range k.Stores {
			s := stores.ByID(id)
			if s == nil {
				continue
			}
			for _, pattern := range s.Paths {
				found, err := filepath.Glob(m.Abs(pattern))
				if err != nil {
					continue
				}
				for _, f := range found {
					rel, err := filepath.Rel(m.Home, f)
					if name := "~/" + filepath.ToSlash(rel); err == nil && !slices.Contains(files, name) && len(files) < maxAnnounced {
						files = append(files, name)
					}
				}
			}
		}
	}
	return files
}

// Announce tells the agent that every file in which tokens of kinds may stand
// is about to be read.
func Announce(ctx context.Context, m *respond.Machine, kinds []respond.Kind, agent Agent) error {
	return announce(ctx, agent, existing(m, kinds))
}

func announce(ctx context.Context, agent Agent, files []string) error {
	slices.Sort(files)
	for part := range slices.Chunk(slices.Compact(files), announcedAtOnce) {
		if err := agent.Announce(ctx, part, announcedFor); err != nil {
			return fmt.Errorf("the agent may ring for what this command reads: %w", err)
		}
	}
	return nil
}

// announce tells the agent which files are about to be read. An agent that
// does not believe us, or is too old, rings; the person is told why.
func (r *Response) announce(ctx context.Context, files []string) bool {
	if r.c.Agent == nil || len(files) == 0 {
		return r.c.Agent == nil // nobody rings
	}
	if err := announce(ctx, r.c.Agent, files); err != nil {
		r.problem(err)
		return false
	}
	return true
}

// choose sorts out which of all are to be answered for.
func (r *Response) choose(all []respond.Token, exposed []string) error {
	if r.c.Tokens != nil {
		for _, name := range r.c.Tokens {
			n := len(r.Tokens)
			for _, t := range all {
				if (t.Name == name || t.Kind == name) && !r.has(t.Name) {
					r.Tokens = append(r.Tokens, t)
				}
			}
			if len(r.Tokens) == n && !r.has(name) {
				return fmt.Errorf("%w: %q", ErrNoToken, name)
			}
		}
	} else {
		for _, t := range all {
			if slices.ContainsFunc(t.Places, func(p respond.Place) bool { return slices.Contains(exposed, p.Path) }) {
				r.Tokens = append(r.Tokens, t)
			}
		}
		for _, f := range exposed {
			if r.answered(f) {
				continue
			}
			switch s := stores.Of(f); {
			case !slices.ContainsFunc(r.c.Kinds, func(k respond.Kind) bool { return slices.Contains(k.Stores, s.ID) }):
				r.ByHand = append(r.ByHand, fmt.Sprintf("%s (%s) was exposed: revoke what is in it at its service.", f, s.Kind))
			default:
				r.ByHand = append(r.ByHand, fmt.Sprintf("%s (%s) was exposed, and no token is found in it now: if it held one then, revoke it.", f, s.Kind))
			}
		}
	}
	r.Tokens = slices.DeleteFunc(r.Tokens, func(t respond.Token) bool {
		if t.Facts["temporary"] != "yes" {
			return false
		}
		r.ByHand = append(r.ByHand, strings.TrimSpace(fmt.Sprintf("%s is temporary: it cannot be revoked and lives until it runs out. %s", t.Name, t.Note)))
		return true
	})
	// A value that stands in two kinds of places is rotated once for each site: what
	// one says of it is nothing to another, and a thief can write it down for his.
	for i := 0; i < len(r.Tokens); i++ {
		for _, twin := range respond.Elsewhere(all, r.Tokens[i]) {
			switch {
			case r.has(twin.Name):
			case r.c.Tokens == nil:
				r.Tokens = append(r.Tokens, twin)
			default:
				r.ByHand = append(r.ByHand, fmt.Sprintf("%s has the same value, for %s: answer for it, too.", twin.Name, ifs(twin.Site == "", "a site that is not known", twin.Site)))
			}
		}
		for _, twin := range respond.Alike(all, r.Tokens[i]) {
			r.Alike = append(r.Alike, twin.Name)
			r.Tokens = slices.DeleteFunc(r.Tokens, func(t respond.Token) bool { return t.Name == twin.Name })
		}
	}
	return nil
}

func (r *Response) has(name string) bool {
	return slices.ContainsFunc(r.Tokens, func(t respond.Token) bool { return t.Name == name })
}

// answered reports whether one of the tokens stands in file.
func (r *Response) answered(file string) bool {
	return slices.ContainsFunc(r.Tokens, func(t respond.Token) bool {
		return slices.ContainsFunc(t.Places, func(p respond.Place) bool { return p.Path == file })
	})
}

// environment names the variables that the thief inherited: what is in them
// was stolen without opening a file, and stands nowhere that we could change it.
func (r *Response) environment(ctx context.Context) {
	var names []string
	add := func(p *wormbell.Process) {
		for q := range p.Chain {
			for _, n := range q.Secrets {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
	}
	for _, f := range r.c.Alert.Findings {
		add(f.Process)
		for _, e := range f.Evidence {
			add(e.Process)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		r.ByHand = append(r.ByHand, fmt.Sprintf("The variable %s was in the environment of the thief: revoke what it holds, and set a new value where you set it.", n))
	}
	exported, err := respond.FindExported(ctx, r.c.Machine, nil)
	if err != nil {
		r.problem(err)
	}
	for _, x := range exported {
		if slices.Contains(names, x.Name) {
			r.ByHand = append(r.ByHand, fmt.Sprintf("%s is set in %s, line %d.", x.Name, x.Path, x.Line))
		}
	}
}
