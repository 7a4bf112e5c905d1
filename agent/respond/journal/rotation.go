package journal

import (
	"slices"
	"time"
)

// State is how far a rotation has come.
type State string

// The states. A rotation goes through them in this order; one that contains
// first comes to Revoking and Dead before Created.
const (
	Planned   State = "planned"   // a person wants it; a new token may have been asked for
	Created   State = "created"   // there is a new token, and it is kept
	Verified  State = "verified"  // the new token works
	Installed State = "installed" // it stands where the old one stood
	Revoking  State = "revoking"  // the old token's death was or is about to be asked for
	Dead      State = "dead"      // the service refuses the old token
	Done      State = "done"      // and what was kept is wiped
	Abandoned State = "abandoned" // a person gave it up, or it cannot be gone on with: see Reason
)

// ways are where one can go from each state.
var ways = map[State][]State{
	Planned:   {Created, Revoking, Dead, Abandoned},
	Created:   {Verified, Planned, Revoking, Abandoned}, // back, if the new token proved to be none; on, if a person wants to contain
	Verified:  {Installed, Planned, Revoking, Abandoned},
	Installed: {Revoking, Dead, Abandoned},
	Revoking:  {Dead, Created, Abandoned},
	Dead:      {Created, Done, Revoking, Abandoned}, // back, if it proved to be alive
}

func (s State) valid() bool { return s.Ended() || ways[s] != nil }

// Ended reports whether nothing is left to do in this state.
func (s State) Ended() bool { return s == Done || s == Abandoned }

// Mode is what is wanted of a rotation.
type Mode string

// The modes.
const (
	Rotate     Mode = "rotate"      // a new token first, then the old one's death
	ContainNow Mode = "contain-now" // the old one's death first
	RevokeOnly Mode = "revoke-only" // nothing new
)

func (m Mode) valid() bool { return slices.Contains([]Mode{Rotate, ContainNow, RevokeOnly}, m) }

// Rotation is what is written down of one rotation. Nothing in it is secret.
type Rotation struct {
	ID      string    `json:"id"` // ten typable characters
	State   State     `json:"state"`
	Mode    Mode      `json:"mode"`
	Alert   string    `json:"alert,omitempty"` // ID of the alert it answers
	Begun   time.Time `json:"begun"`
	Updated time.Time `json:"updated"`

	Old       Token  `json:"old"`
	Owner     string `json:"owner,omitempty"`      // of the old token, as the service says
	New       *Token `json:"new,omitempty"`        // since Created
	Kept      bool   `json:"kept,omitempty"`       // the old token's value is in the store of secrets
	NewKept   bool   `json:"new_kept,omitempty"`   // and the new one's
	Installs  bool   `json:"installs,omitempty"`   // the new token's place has been, or is about to be, written to
	Unplaced  bool   `json:"unplaced,omitempty"`   // the old token was given up, or the rotation, before the new one was in its place
	Pasted    bool   `json:"pasted,omitempty"`     // a person made the new token
	Replace   bool   `json:"replace,omitempty"`    // a new token is wanted although the old one was dead
	OldDead   bool   `json:"old_dead,omitempty"`   // the service refuses the old token
	ByWord    bool   `json:"by_word,omitempty"`    // no: a person said so, the service cannot be asked
	Mute      bool   `json:"mute,omitempty"`       // the service has never said anything of the old token: perhaps it cannot be asked
	OldAnswer string `json:"old_answer,omitempty"` // what the service last said of each
	NewAnswer string `json:"new_answer,omitempty"`

	Creates  []Create  `json:"creates,omitempty"` // the tries to make a new token
	Asked    time.Time `json:"asked,omitzero"`    // when the old one's death was first about to be asked for
	Accepted time.Time `json:"accepted,omitzero"` // when that was accepted, or a person was sent to do it
	ByPage   bool      `json:"by_page,omitempty"` // a person does it
	Next     time.Time `json:"next,omitzero"`     // when it is worth asking again whether it is dead
	Problem  string    `json:"problem,omitempty"` // what it last stopped at, one sentence
	Reason   string    `json:"reason,omitempty"`  // why it was abandoned
}

// Create is one try to make a new token, written down before it is made.
type Create struct {
	Label string    `json:"label"`
	Time  time.Time `json:"time"`
	// Result is how it went: one of the constants below.
	Result string `json:"result,omitempty"`
}

// The results of a try.
const (
	Unknown = ""        // it may have been made
	Made    = "made"    // it was, and arrived
	None    = "none"    // it was not
	Lost    = "lost"    // it was, did not arrive, and cannot be revoked by us
	Revoked = "revoked" // it was, did not arrive, and was revoked
	Unsure  = "unsure"  // nobody can say; a person should look for its label
)

// Token is what may be written down of a token.
type Token struct {
	Kind   string            `json:"kind"`
	Name   string            `json:"name"`
	Site   string            `json:"site,omitempty"`
	Owner  string            `json:"owner,omitempty"`
	ID     string            `json:"id,omitempty"`
	Places []Place           `json:"places"`
	Facts  map[string]string `json:"facts,omitempty"`
	Note   string            `json:"note,omitempty"`
}

// Place is where a token stands.
type Place struct {
	Path    string `json:"path,omitempty"`
	Key     string `json:"key"`
	Service string `json:"service,omitempty"`
}
