package wormbell

import "time"

// Decoy is a file with made-up credentials that was planted in a home: nothing
// reads it but who takes whatever is there. Only the file itself says what is in
// it.
type Decoy struct {
	ID      string    `json:"id"`   // 8 characters
	User    string    `json:"user"` // uid or SID of whom it was planted for
	Home    string    `json:"home"` // absolute, symlinks resolved
	Path    string    `json:"path"` // with ~
	Kind    string    `json:"kind"` // "aws", "env", "github" or "npm"
	Planted time.Time `json:"planted"`
	Made    string    `json:"made,omitempty"` // the folder, with ~, that was made for it; "" if there was one
	File    Planted   `json:"file"`

	State    string     `json:"state"`               // [GuardOn], [GuardAbsent] or [GuardNot]
	Why      string     `json:"why,omitempty"`       // for GuardNot: a few words
	LastRead *time.Time `json:"last_read,omitempty"` // when it was last opened for reading
	LastBy   string     `json:"last_by,omitempty"`   // by whom, in a few words
}

// Planted tells a planted file from every other one, and from itself after
// somebody has written to it.
type Planted struct {
	Inode   uint64 `json:"inode"`
	Born    int64  `json:"born,omitempty"` // nanoseconds since 1970; 0 where the file system does not say
	Changed int64  `json:"changed"`        // its mtime, in the same way
	Size    int64  `json:"size"`
}

// Same reports whether now is the file that p was taken of, unchanged.
func (p Planted) Same(now Planted) bool {
	if p.Born == 0 || now.Born == 0 {
		p.Born, now.Born = 0, 0
	}
	return p == now && p.Inode != 0
}

// DecoyStore is the ID of the store under which decoys are listed among the
// guarded files, and that a row of the trust table names for them.
const DecoyStore = "decoy"
