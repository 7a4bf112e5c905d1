package respond

import (
	"fmt"
	"slices"
	"time"

	"wormbell/agent/respond/journal"
)

// Which says which of two tokens can be used now.
type Which string

// The values of Which.
const (
	OldWorks       Which = "old"             // nothing was done to it; there is no new one to rely on
	NewWorks       Which = "new"             // the old one is dead or about to die
	BothWork       Which = "both"            // the new one is verified, the old one not revoked
	PerhapsNeither Which = "perhaps neither" // the old one is dead or may be, and there is no new one that is known to work
	NoneWanted     Which = "none"            // the old one was to die, and nothing was to take its place
)

// Outcome is how far a rotation has come. It holds no secret.
type Outcome struct {
	ID      string        `json:"id"`
	Token   string        `json:"token"` // its name
	Kind    string        `json:"kind"`
	Places  []Place       `json:"places"` // where it stands, or stood
	State   journal.State `json:"state"`
	Mode    journal.Mode  `json:"mode"`
	Alert   string        `json:"alert,omitempty"`
	Begun   time.Time     `json:"begun"`
	Updated time.Time     `json:"updated"`

	Done      bool      `json:"done"`                // nothing is left to do
	Pending   bool      `json:"pending"`             // the old token's death was asked for and is waited for
	Abandoned bool      `json:"abandoned,omitempty"` // it was given up
	Works     Which     `json:"works"`               // which token works now
	OldAnswer Answer    `json:"old_answer"`          // what the service last said of each
	NewAnswer Answer    `json:"new_answer"`          //
	Sentence  string    `json:"sentence"`            // which token works now, for a person
	Problem   string    `json:"problem,omitempty"`   // what it stopped at, one sentence
	Next      time.Time `json:"next,omitzero"`       // when going on is worth while, if it is pending
	Left      []string  `json:"left"`                // what is left to do, in order, one sentence each
	Pages     []Page    `json:"pages"`               // where a person can do what no call can
}

// MarshalText writes the answer in words.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// answerOf is the inverse of Answer.String; what it does not know is CouldNotTell.
func answerOf(s string) Answer {
	for _, a := range []Answer{Alive, Dead} {
		if a.String() == s {
			return a
		}
	}
	return CouldNotTell
}

// outcome says what follows from r. k may be nil: a kind of a later version.
func outcome(r journal.Rotation, k *Kind) Outcome {
	if r.State == journal.Abandoned && !placed(r) {
		r.New = nil // it was revoked or is told of below, and what was kept of it is wiped
	}
	o := Outcome{
		ID: r.ID, Token: r.Old.Name, Kind: r.Old.Kind, State: r.State, Mode: r.Mode, Alert: r.Alert, Begun: r.Begun, Updated: r.Updated,
		Done: r.State == journal.Done, Abandoned: r.State == journal.Abandoned,
		Pending:   r.State == journal.Revoking && !r.OldDead,
		OldAnswer: answerOf(r.OldAnswer), NewAnswer: answerOf(r.NewAnswer),
		Problem: r.Problem, Next: r.Next, Left: []string{}, Pages: []Page{}, Places: []Place{},
	}
	for _, p := range r.Old.Places {
		o.Places = append(o.Places, Place(p))
	}
	o.Works = works(r, k)
	o.Sentence = sentence(r, k, o.Works)
	if !o.Done && !o.Abandoned {
		o.Left = left(r, k)
	}
	o.Left = append(o.Left, orphans(r, k)...)
	if k != nil && k.Pages != nil && (len(o.Left) > 0 || o.Works == PerhapsNeither) {
		o.Pages = append(o.Pages, k.Pages(unwritten(r.Old))...)
	}
	return o
}

// oldMayBeDead reports whether something was done that may have killed the old
// token.
func oldMayBeDead(r journal.Rotation, k *Kind) bool {
	if r.OldDead || !r.Asked.IsZero() || k == nil {
		return true
	}
	// A try of None was answered with no, or the old token was seen alive after it.
	return k.CreateKills && slices.ContainsFunc(r.Creates, func(c journal.Create) bool { return c.Result != journal.None })
}

func works(r journal.Rotation, k *Kind) Which {
	verified := r.New != nil && (r.State == journal.Verified || placed(r))
	switch {
	case r.Mode == journal.RevokeOnly && r.Asked.IsZero() && !r.OldDead:
		return OldWorks
	case r.Mode == journal.RevokeOnly, r.OldDead && !wantsNew(r) && r.New == nil:
		return NoneWanted
	case verified && !oldMayBeDead(r, k):
		return BothWork
	case verified:
		return NewWorks
	case !oldMayBeDead(r, k):
		return OldWorks
	}
	return PerhapsNeither
}

// wantsNew reports whether there shall be a new token.
func wantsNew(r journal.Rotation) bool {
	return r.Mode != journal.RevokeOnly && (!r.OldDead || r.Replace || !r.Asked.IsZero() || len(r.Creates) > 0 || r.New != nil)
}

// placed reports whether the new token stands where the old one stood.
func placed(r journal.Rotation) bool {
	if r.New == nil || r.Unplaced {
		return false
	}
	switch r.State {
	case journal.Installed, journal.Revoking, journal.Dead, journal.Done:
		return true
	case journal.Abandoned:
		return r.Installs
	}
	return false
}

func sentence(r journal.Rotation, k *Kind, w Which) string {
	title := r.Old.Kind + " token"
	if k != nil {
		title = k.Title
	}
	name := r.Old.Name
	says := "the service refuses it"
	if r.ByWord {
		says = "you saw that it is gone; the service cannot be asked"
	}
	at := "is kept and not yet in its place"
	if placed(r) {
		at = "stands in " + where(unwritten(r.Old))
	}
	// One sentence each, as a whole: another language puts it together differently.
	switch w {
	case OldWorks:
		switch {
		case answerOf(r.OldAnswer) == Dead:
			return fmt.Sprintf("The old %s %s does not work: %s.", title, name, says)
		case r.New != nil:
			return fmt.Sprintf("The old %s %s is as it was; nothing was done to it, and the new one is not known to work.", title, name)
		}
		return fmt.Sprintf("The old %s %s is as it was; nothing was done to it.", title, name)
	case BothWork:
		return fmt.Sprintf("Both work: the old %s %s is not revoked%s, the new one %s.", title, name, ifs(r.State == journal.Abandoned, "", " yet"), at)
	case NewWorks:
		if r.OldDead {
			return fmt.Sprintf("The new %s works and %s; the old one is dead: %s.", title, at, says)
		}
		return fmt.Sprintf("The new %s works and %s; the old one may still work until the service refuses it.", title, at)
	case NoneWanted:
		if r.OldDead {
			return fmt.Sprintf("The old %s %s is dead: %s.", title, name, says)
		}
		return fmt.Sprintf("The old %s %s may still work until the service refuses it.", title, name)
	}
	if r.New != nil {
		return fmt.Sprintf("Perhaps neither token works: the old %s %s %s dead, and the new one, which is kept, is not known to work.", title, name, ifs(r.OldDead, "is", "may be"))
	}
	return fmt.Sprintf("Perhaps neither token works: the old %s %s %s dead, and there is no new one.", title, name, ifs(r.OldDead, "is", "may be"))
}

// left says what is left to do.
func left(r journal.Rotation, k *Kind) []string {
	if k == nil {
		return []string{"This wormbell does not know tokens of this kind; the one that began the rotation does."}
	}
	var l []string
	if wantsNew(r) {
		if r.New == nil {
			l = append(l, fmt.Sprintf("Make a new %s%s.", k.Title, ifs(k.Create == nil, " on its page", "")))
		}
		if r.New == nil || r.State == journal.Created {
			l = append(l, "Check that the new one works.")
		}
		if !placed(r) {
			l = append(l, "Put it into "+where(unwritten(r.Old))+".")
		}
	}
	switch {
	case r.OldDead:
	case r.Asked.IsZero():
		l = append(l, fmt.Sprintf("Revoke the old one%s.", ifs(k.Revoke == nil, " on its page", "")))
	case r.Accepted.IsZero():
		l = append(l, "Revoke the old one: it was begun, and it is not known whether it was done.")
	default:
		l = append(l, "Wait until the service refuses the old one, which was revoked.")
	}
	if r.Mode == journal.RevokeOnly && k.Forget != nil {
		l = append(l, "Remove the old one from "+where(unwritten(r.Old))+".")
	}
	if r.State == journal.Dead || len(l) == 0 {
		l = append(l, "Wipe what was kept for it.")
	}
	return l
}

// orphans names the new tokens that may exist without anybody having them.
func orphans(r journal.Rotation, k *Kind) []string {
	var l []string
	for _, c := range r.Creates {
		switch {
		case c.Result != journal.Unsure && c.Result != journal.Lost:
		case k != nil && k.CreateKills: // what is made in the place of another has its name (GitLab)
			page := ""
			if p := k.page(unwritten(r.Old), false); p.URL != "" {
				page = " (" + p.URL + ")"
			}
			l = append(l, fmt.Sprintf("Look on the page%s for a living token that is named as the old one was, or %q, and was made at %s UTC or up to a minute later: nobody has it, so revoke it there.",
				page, c.Label, c.Time.UTC().Format(time.DateTime)))
		default:
			l = append(l, fmt.Sprintf("Look on the service's page for a token named %q or made at %s UTC: nobody has it, so revoke it there.",
				c.Label, c.Time.UTC().Format(time.DateTime)))
		}
	}
	return l
}

func ifs(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
