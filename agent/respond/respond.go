// Package respond is what is done about credentials that were exposed: find
// them, say what they could reach, make new ones, put those in their place and
// kill the old ones, without losing any on the way.
//
// It runs as the user, in the command line or the tray. The agent must never
// link it: root holds no tokens. What it knows of one service stands in that
// service's [Kind]; the order of the steps stands in [Rotator] and nowhere else.
package respond

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// Answer is what a service says of a token. There are three: a service that
// does not answer has not said that the token is dead.
type Answer int

// The answers. The zero Answer is CouldNotTell.
const (
	CouldNotTell Answer = iota
	Alive
	Dead
)

// String returns the answer in words.
func (a Answer) String() string { return [...]string{"could not tell", "alive", "dead"}[a] }

// Token is one credential as it stands on this machine. Two places that hold
// the same value are one token.
type Token struct {
	Kind   string       `json:"kind"`            // ID of its Kind
	Name   string       `json:"name"`            // what a person calls it on the command line: the kind, a colon, what tells it apart: "npm:registry.example.com"
	Site   string       `json:"site,omitempty"`  // base URL of the service, without a slash at the end
	Owner  string       `json:"owner,omitempty"` // whom the file names, "" if it does not
	ID     string       `json:"id,omitempty"`    // the service's name for it, no secret: an access key ID, a UUID
	Places []Place      `json:"places"`          // where it stands
	Facts  Facts        `json:"facts,omitempty"` // what its kind needs to know besides; nothing secret
	Note   string       `json:"note,omitempty"`  // what a person should know of it, one sentence
	Web    string       `json:"-"`               // origin of the service's website, as the service itself says in this run: never from a file
	Value  secret.Value `json:"-"`               // itself
	Also   Secrets      `json:"-"`               // what belongs to it and is as secret: a client secret, a session token
}

// Facts are by name what a kind needs to know of a token.
type Facts map[string]string

// Secrets are by name what belongs to a token.
type Secrets map[string]secret.Value

// Place is where a token stands: in a file, or in the keychain.
type Place struct {
	Path    string `json:"path,omitempty"`    // with ~; "" for the keychain
	Key     string `json:"key"`               // what names it in the file, for a person and for its kind: "//registry.example.com/:_authToken"
	Service string `json:"service,omitempty"` // of a keychain item, whose account is Key
}

// String names the place for a person.
func (p Place) String() string {
	if p.Path == "" {
		return "keychain item " + p.Service + " " + p.Key
	}
	return p.Path + " " + p.Key
}

// Identity is what a service says of a token.
type Identity struct {
	Answer  Answer
	Owner   string
	Scopes  []string  // in the service's words
	Expires time.Time // zero if it did not say
	Reach   []string  // what it could publish or reach, a few words each: "publish @acme/tools", "read and write every repository of alice"
	Note    string    // what a person should know, one sentence: why it could not tell
}

// Page is a web page where a person does what no call can.
type Page struct {
	URL   string   `json:"url"`
	Title string   `json:"title"` // "GitHub: new token"
	Steps []string `json:"steps"` // what to do there
}

// Kind is what is known of one kind of credential. A func field is nil where
// the service has no such thing. All of them keep to these rules:
//
//   - They send a token to its own site only, through Machine.Call, and never
//     put one into an error, a URL that could do without, or a log.
//   - They return the error of ctx when it ends, and otherwise tell refusals
//     (*call.StatusError), lost answers (*call.LostError) and requests that were
//     never sent (*call.NotSentError) apart: the Rotator decides by that.
//   - They may be called again after a crash, with what the journal holds.
type Kind struct {
	ID     string   // "npm"; the name of its file without .go
	Title  string   // "npm token"
	Stores []string // IDs of the stores in which it may stand, see internal/stores
	Files  []string // of those the files, with ~, that are looked at; nil for all

	// Find reads the files and keychain items where tokens of this kind
	// stand. paths, with ~, are the files that may be opened: the others are
	// not looked at; nil means all. Files that are not there are no error. An
	// error that wraps ErrPartly comes with the tokens that could be read.
	Find func(ctx context.Context, m *Machine, paths []string) ([]Token, error)
	// Identify asks the service who the token belongs to. CouldNotTell comes
	// with a Note and no error, unless ctx ended.
	Identify func(ctx context.Context, m *Machine, t Token) (Identity, error)
	// Create makes a new token with the same or narrower grants, under label
	// where the service lets tokens be named. It is nil where only a person
	// can make one, who is then asked to paste it.
	Create func(ctx context.Context, m *Machine, old Token, label string) (Token, error)
	// Lost looks for a token that Create made under label and whose value
	// never arrived, and revokes it. found says whether there was one.
	Lost func(ctx context.Context, m *Machine, old Token, label string) (found bool, err error)
	// Works asks whether a new token can do what the old one could; nil: by
	// Identify, and the owner must be the same.
	Works func(ctx context.Context, m *Machine, old, new Token) (Answer, error)
	// Install puts the new token where the old one stands. What already holds
	// the new value is left as it is; what holds a third one is an error that
	// wraps edit.ErrChanged. nil: a person does, see Pages.
	Install func(ctx context.Context, m *Machine, old, new Token) error
	// Writes are the files, with ~, that Install changes: before a new token is
	// made it is seen that they can be. nil: all in which the old one stands.
	Writes func(old Token) []string
	// Forget removes the old value from where it stands when there is no new
	// one: after contain now, revoke, or for a token that is dead. nil: it stays.
	Forget func(ctx context.Context, m *Machine, old Token) error
	// Revoke kills old. by is its successor, whose authority may be needed;
	// its Value is empty if there is none. Nil error: the service accepted,
	// which does not mean that it is dead.
	Revoke func(ctx context.Context, m *Machine, old, by Token) error
	// IsDead asks whether the service still takes the token; nil: by Identify.
	IsDead func(ctx context.Context, m *Machine, old Token) (Answer, error)
	// Pages are where a person can do it; revoking first.
	Pages func(t Token) []Page
	// Locate returns t with Web, before a page of it is opened; nil: Pages knows
	// where they are.
	Locate func(ctx context.Context, m *Machine, t Token) Token
	// Leave ends what the kind began for itself and keeps in Machine.Memory: a
	// login. It is called once, when all is done, also after errors; nil: there
	// is nothing to end.
	Leave func(ctx context.Context, m *Machine)
	// Fits reports whether what a person pasted looks like a token of this kind; nil: anything does.
	Fits func(pasted string) bool
	// Pasted makes a token of what a person pasted, where that is more than its
	// value: an ID comes with an AWS key. nil: it is the value.
	Pasted func(old Token, pasted secret.Value) Token

	// CreateKills says that Create kills the old token in the same breath
	// (GitLab), so that it must not be repeated blindly.
	CreateKills bool
	// RevokeFirst says that revoking a token kills the person's others of the
	// same program, so that a new one is of use only if it is made after that:
	// logins, which a person can always make again. Rotating is containing then.
	RevokeFirst bool
	// NeedsPerson says that Create or Revoke ask a person in a browser or for a
	// password.
	NeedsPerson bool
	// DiesWithin is how long the service may take until a revoked token is
	// refused; 0: a minute.
	DiesWithin time.Duration
	// Mute is why the service cannot be asked whether a token lives, one
	// sentence; "" if it can. Then Identify says CouldNotTell.
	Mute string
	// Notice is what a person must know before anything is done, one sentence
	// each: "GitHub mails the owner."
	Notice []string
	// NoticeContained is what a person must know besides of a new one that is made
	// when the old one is dead, one sentence or two.
	NoticeContained string
}

// ErrPartly is wrapped by an error of Kind.Find that comes with some tokens.
var ErrPartly = errors.New("not all of it could be read")

// ErrNobody is wrapped by errors that say that a person was needed and none is
// there to answer.
var ErrNobody = errors.New("nobody is here to answer")

// ErrNotPossible is wrapped by errors that say that the service has no such
// call for this token: a person must do it on a page.
var ErrNotPossible = errors.New("the service has no call for this")

// Machine is what kinds see of the machine and its user.
type Machine struct {
	Home   string              // of the user, absolute
	State  string              // folder of ours in it, for journals and copies; 0700
	Getenv func(string) string // never an empty func
	Call   *call.Client
	Sites  map[string]string // base URLs by Kind.ID instead of the service's public ones: for tests
	Keys   keychain.Store    // where new tokens are kept until they are in place; nil if there is nowhere
	Items  keychain.Store    // the OS keychain with other programs' items, such as gh's; nil if there is none
	Memory *Memory           // what kinds remember during this run; nil: nothing
	Person Person
	Now    func() time.Time
	Log    *slog.Logger // never nil
}

// Site returns the base URL of kind id: usual, or what stands in for it.
func (m *Machine) Site(id, usual string) string {
	if s := m.Sites[id]; s != "" {
		return s
	}
	return usual
}

// Abs returns the path on this system that p, with ~ and slashes, stands for.
func (m *Machine) Abs(p string) string {
	if p == "~" {
		return m.Home
	}
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return filepath.Join(m.Home, filepath.FromSlash(rest))
	}
	return filepath.FromSlash(p)
}

// tilde is the reverse of [Machine.Abs]: it returns abs, a path on this system,
// clean, with slashes, and with ~ if it is the home or in it.
func (m *Machine) tilde(abs string) string {
	rel, err := filepath.Rel(m.Home, abs)
	switch {
	case err != nil || !filepath.IsLocal(rel):
		return filepath.ToSlash(filepath.Clean(abs))
	case rel == ".":
		return "~"
	}
	return "~/" + filepath.ToSlash(rel)
}

// Person is who sits in front of the machine. Every func is set; those that
// ask return an error that wraps ErrNobody if nobody can answer.
type Person struct {
	// Say tells what is being done, one line.
	Say func(line string)
	// Confirm asks a question that is answered with yes or no.
	Confirm func(ctx context.Context, question string) (bool, error)
	// Secret asks for a password or a code, which is not shown while it is typed.
	Secret func(ctx context.Context, prompt string) (secret.Value, error)
	// Paste asks for a token that the person has made. It is not Secret: what is
	// handed over as the one must never be taken for the other.
	Paste func(ctx context.Context, prompt string) (secret.Value, error)
	// Browse opens a page in the person's browser and says its address; it
	// returns at once.
	Browse func(ctx context.Context, url string) error
}
