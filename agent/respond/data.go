package respond

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/edit"
)

// service is what is known of a kind of credential for which this is enough:
// where it stands, what it looks like, the pages, and the calls there are. The
// rows are in [services]; kind makes a [Kind] of one.
type service struct {
	id     string
	title  string
	stores []string
	site   string // base URL of the service; "" where nobody can be asked, or where each token has its own
	spots  []spot
	// find looks for the tokens instead of spots.
	find func(ctx context.Context, m *Machine, paths []string) ([]Token, error)
	// pattern is what a pasted token looks like. "": a word that is no other
	// kind's token.
	pattern string
	// pages are where a person does it, revoking first; logins are the same for
	// tokens that came by logging in, if they are others. {id}, {owner}, {site}
	// and {name} in them stand for what is known of the token.
	pages, logins []Page
	// show puts the token into a request; nil: as a bearer token.
	show func(h http.Header, value string)

	// The calls, nil where the service has none. They are made only for
	// tokens that have a Site and a Value.
	owner  func(ctx context.Context, m *Machine, s *service, t Token) (Identity, error)
	create func(ctx context.Context, m *Machine, s *service, old Token, label string) (Token, error)
	lost   func(ctx context.Context, m *Machine, s *service, old Token, label string) (bool, error)
	revoke func(ctx context.Context, m *Machine, s *service, t Token) error

	mute       string // why nobody can be asked, a sentence, where owner is nil
	notice     []string
	diesWithin time.Duration
	keeps      bool // its files are never changed
}

// spot is where a token stands in files.
type spot struct {
	path   string // with ~
	env    string // "CARGO_HOME ~/.cargo": the variable that moves the folder
	format dataFormat
	key    []string // what names it in the file; "*" is any name
	// name tells the token apart from others of its kind; "*" in it is the
	// name that stood for "*" in key.
	name  string
	like  *regexp.Regexp // what does not look like this is no token; nil: anything is
	login string         // what a person does to get a new one, if nobody can paste it: "run codex login"
	also  []string       // the names beside it of what belongs to it and is as secret
	user  bool           // what stands there is user:password in base 64
	empty bool           // what stands there is no secret; it tells where the secret is
	away  bool           // it is not for the service's public site
	tell  func(m *Machine, t *Token, e edit.Entry, all []edit.Entry)
}

// dataFormat is how a file is read.
type dataFormat func(data []byte) ([]edit.Entry, error)

// dataINI and its like are the formats.
func dataINI(data []byte) ([]edit.Entry, error)   { return edit.INI(data), nil }
func dataGit(data []byte) ([]edit.Entry, error)   { return edit.GitCredentials(data), nil }
func dataNetrc(data []byte) ([]edit.Entry, error) { return edit.Netrc(data), nil }

// dataWhole is the format of a file that holds a token and nothing else.
func dataWhole(data []byte) ([]edit.Entry, error) {
	text := strings.TrimSpace(string(data))
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return nil, nil
	}
	from := strings.Index(string(data), text)
	return []edit.Entry{{Path: []string{dataWholeKey}, Value: text, Span: edit.Span{From: from, To: from + len(text)}}}, nil
}

// dataWholeKey is what names the token in such a file.
const dataWholeKey = "token"

// dataHit is something secret at a spot.
type dataHit struct {
	edit.Entry
	also  string // its name among Token.Also; "" for the value itself
	value string // decoded
	user  string // that stands before it
}

// isWhole reports whether it came by [dataWhole], which is no parser of edit's.
func (h dataHit) isWhole() bool { return h.Line == edit.Span{} }

// hits returns what stands at p in a file, and all that stands in it.
func (p *spot) hits(data []byte) (found []dataHit, all []edit.Entry, err error) {
	all, err = p.format(data)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range all {
		also, ok := p.named(e.Path)
		if !ok {
			continue
		}
		h := dataHit{Entry: e, also: also, value: e.Value}
		if p.user {
			if h.user, h.value, ok = dataLogin(e.Value); !ok {
				continue
			}
		}
		found = append(found, h)
	}
	return found, all, nil
}

// named reports whether what is named like this stands at p. also is its last
// name if it is not the token itself.
func (p *spot) named(name []string) (also string, ok bool) {
	last := len(p.key) - 1
	if len(name) != len(p.key) {
		return "", false
	}
	for i, k := range p.key[:last] {
		if k != "*" && k != name[i] {
			return "", false
		}
	}
	switch n := name[last]; {
	case p.key[last] == "*" || p.key[last] == n:
		return "", true
	case slices.Contains(p.also, n):
		return n, true
	}
	return "", false
}

// token reports whether a value can be a token: a reference to a variable and
// JSON's null cannot.
func (p *spot) token(value string) bool {
	if p.empty {
		return value != ""
	}
	return value != "" && value != "null" && !strings.Contains(value, "${") && (p.like == nil || p.like.MatchString(value))
}

// files are where p can be, with ~.
func (p *spot) files(m *Machine) []string {
	files := []string{p.path}
	name, dir, folder := strings.Cut(p.env, " ")
	if name == "" {
		return files
	}
	for _, v := range filepath.SplitList(m.Getenv(name)) {
		if !filepath.IsAbs(v) || len(files) > 20 {
			continue
		}
		moved := m.tilde(v)
		if folder {
			moved += strings.TrimPrefix(p.path, dir)
		}
		if !slices.Contains(files, moved) {
			files = append(files, moved)
		}
	}
	return files
}

// kind makes a Kind of a row. foreign are the looks of other kinds' tokens.
func (s *service) kind(foreign []*regexp.Regexp) Kind {
	k := Kind{
		ID: s.id, Title: s.title, Stores: s.stores, Find: s.find,
		Identify: s.identify, Pages: s.pagesFor, Fits: s.fits(foreign),
		Notice: s.notice, DiesWithin: s.diesWithin,
		NeedsPerson: s.create == nil || s.revoke == nil,
	}
	if s.owner == nil {
		k.Mute = cmp.Or(s.mute, "It has no call for that.")
	}
	if k.Find == nil {
		k.Find = s.findTokens
		for _, p := range s.spots {
			if !slices.Contains(k.Files, p.path) {
				k.Files = append(k.Files, p.path)
			}
		}
	}
	if !s.keeps {
		k.Install, k.Forget = s.install, s.forget
		k.Writes = func(old Token) []string {
			if old.Facts["login"] != "" {
				return nil // a login is put in place by logging in
			}
			return old.paths()
		}
	}
	if s.create != nil || slices.ContainsFunc(s.spots, func(p spot) bool { return p.login != "" }) {
		k.Create = s.newToken
	}
	if k.Create != nil {
		k.Lost = func(ctx context.Context, m *Machine, old Token, label string) (bool, error) {
			if s.lost == nil || old.Facts["login"] != "" || !s.callable(old) {
				return false, ctx.Err() // newToken made none that has a label
			}
			return s.lost(ctx, m, s, old, label)
		}
	}
	if s.revoke != nil {
		k.Revoke = func(ctx context.Context, m *Machine, old, _ Token) error {
			if !s.callable(old) {
				return fmt.Errorf("revoke %s: %w", old.Name, ErrNotPossible)
			}
			return s.revoke(ctx, m, s, old)
		}
	}
	return k
}

// fits returns Kind.Fits.
func (s *service) fits(foreign []*regexp.Regexp) func(string) bool {
	if s.pattern != "" {
		return regexp.MustCompile(`\A(?:` + s.pattern + `)\z`).MatchString
	}
	return func(pasted string) bool {
		return len(pasted) >= 8 && !strings.ContainsFunc(pasted, func(c rune) bool { return c <= ' ' || c == 0x7f }) &&
			!slices.ContainsFunc(foreign, func(r *regexp.Regexp) bool { return r.MatchString(pasted) })
	}
}

// callable reports whether the service can be asked about t.
func (s *service) callable(t Token) bool { return t.Site != "" && !t.Value.Empty() }

// identify is Kind.Identify.
func (s *service) identify(ctx context.Context, m *Machine, t Token) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, err
	}
	if s.owner == nil || !s.callable(t) {
		note := s.mute
		if note == "" || t.Note != "" {
			note = t.Note
		}
		if note == "" {
			note = "It is not known which service it is for, so nobody was asked."
		}
		return Identity{Note: note}, nil
	}
	return s.owner(ctx, m, s, t)
}

// newToken is Kind.Create.
func (s *service) newToken(ctx context.Context, m *Machine, old Token, label string) (Token, error) {
	if todo := old.Facts["login"]; todo != "" {
		return s.logInAgain(ctx, m, old, todo)
	}
	if s.create == nil || !s.callable(old) {
		return Token{}, fmt.Errorf("make a new %s: %w", s.title, ErrNotPossible)
	}
	return s.create(ctx, m, s, old, label)
}

// logInAgain lets a person get a new login by the tool that the old one
// belongs to, and reads it where that tool has put it. Its errors wrap
// ErrNobody: nothing was made of which we do not know.
func (s *service) logInAgain(ctx context.Context, m *Machine, old Token, todo string) (Token, error) {
	m.Person.Say("For a new " + s.title + ": " + todo + ". Do not log out first.")
	done, err := m.Person.Confirm(ctx, "Have you done that?")
	if err != nil {
		return Token{}, err
	}
	if !done {
		return Token{}, fmt.Errorf("make a new %s: %w: nobody logged in again", s.title, ErrNobody)
	}
	tokens, err := s.findTokens(ctx, m, old.paths())
	if err != nil && !errors.Is(err, ErrPartly) {
		return Token{}, err
	}
	// Where it stood, or, if the tool has given it another place, by its name.
	for _, same := range []func(Token) bool{
		func(t Token) bool { return len(old.Places) > 0 && slices.Contains(t.Places, old.Places[0]) },
		func(t Token) bool { return t.Name == old.Name },
	} {
		for _, t := range tokens {
			if same(t) && !t.Value.Empty() && !t.Value.Equal(old.Value) {
				return t, nil
			}
		}
	}
	return Token{}, fmt.Errorf("make a new %s: %w: %s holds no other one", s.title, ErrNobody, where(old))
}

// pagesFor is Kind.Pages.
func (s *service) pagesFor(t Token) []Page {
	pages := s.pages
	if t.Facts["login"] != "" && s.logins != nil {
		pages = s.logins
	}
	site := t.Site
	if site == "" {
		site = "https://SERVER"
	}
	known := strings.NewReplacer("{id}", dataWord(t.ID, "ID"), "{owner}", dataWord(t.Owner, "you"), "{site}", site,
		"{name}", dataWord(strings.TrimPrefix(t.Name, s.id+":"), "it"))
	out := make([]Page, len(pages))
	for i, p := range pages {
		out[i] = Page{URL: known.Replace(p.URL), Title: known.Replace(p.Title), Steps: make([]string, len(p.Steps))}
		for j, step := range p.Steps {
			out[i].Steps[j] = known.Replace(step)
		}
	}
	return out
}

// send makes one request that carries t.
func (s *service) send(ctx context.Context, m *Machine, t Token, r call.Request) (*call.Response, error) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if s.show != nil {
		s.show(r.Header, t.Value.Reveal())
	} else {
		r.Header.Set("Authorization", "Bearer "+t.Value.Reveal())
	}
	r.URL = t.Site + r.URL
	return m.Call.Do(ctx, r)
}

// ask makes a request whose answer says who owns t. A nil response comes with
// what Identify is to return.
func (s *service) ask(ctx context.Context, m *Machine, t Token, r call.Request) (*call.Response, Identity, error) {
	r.Repeatable = true
	res, err := s.send(ctx, m, t, r)
	switch {
	case ctx.Err() != nil:
		return nil, Identity{}, ctx.Err()
	case err != nil:
		return nil, Identity{Note: err.Error() + "."}, nil
	case res.Status == http.StatusTooManyRequests || res.Status >= 500:
		return nil, dataUnclear(r.What, res), nil
	}
	return res, Identity{}, nil
}

// dataUnclear is the identity of an answer that says nothing of the token.
func dataUnclear(what string, r *call.Response) Identity {
	return Identity{Note: r.Refused(what, "").Error() + "."}
}
