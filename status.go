package wormbell

import "time"

// Status is what the agent says of itself.
type Status struct {
	Version    string    `json:"version"`
	PID        int       `json:"pid"`
	User       string    `json:"user"`       // uid or SID it runs as
	Privileged bool      `json:"privileged"` // it runs as root or SYSTEM
	Started    time.Time `json:"started"`
	Uptime     float64   `json:"uptime"` // seconds
	CPU        float64   `json:"cpu"`    // seconds of processor time used since start, watchdog included
	RSS        int64     `json:"rss"`    // bytes resident, watchdog included
	Socket     string    `json:"socket"`
	State      string    `json:"state"` // folder of the store
	Homes      []string  `json:"homes"`
	Protect    bool      `json:"protect"`
	ProtectWhy string    `json:"protect_why,omitempty"` // why this agent cannot deny reads; "" if it can
	Denied     int       `json:"denied"`                // reads that were denied since start
	// PausedUntil is until when notifications of who asks are paused, by their
	// own word or, if PausedForAll, for everybody.
	PausedUntil  *time.Time `json:"paused_until,omitempty"`
	PausedForAll bool       `json:"paused_for_all,omitempty"`
	// Owner says that who asks may switch what is everybody's: root, and the user
	// that the agent runs as.
	Owner     bool             `json:"owner"`
	Sensors   []Sensor         `json:"sensors"`
	Detectors []DetectorStatus `json:"detectors"`
	Problems  []string         `json:"problems"` // what is wrong with the agent itself, in sentences; empty when all is well
	Notices   []string         `json:"notices"`  // what is no fault, and should be known: how wide an administrator's row is, whose home is not guarded
	Settings  []Setting        `json:"settings"` // all there are, in the order of docs/config.md
	Lost      int              `json:"lost"`     // events lost since start, by all sensors and the queue
	Events    int              `json:"events"`   // events observed since start
	Alerts    int              `json:"alerts"`   // open alerts
}

// Sensor is the state of one watcher.
type Sensor struct {
	Name     string `json:"name"`
	Backend  string `json:"backend"`       // "" while it is down
	Who      bool   `json:"who"`           // it knows which process did it
	Lost     int    `json:"lost"`          // events lost since start
	Events   int    `json:"events"`        // events emitted since start
	Restarts int    `json:"restarts"`      // times it had to be started again
	Why      string `json:"why,omitempty"` // what it cannot see, and why
}

// DetectorStatus is how well one detector sees on this machine.
type DetectorStatus struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Sees  string `json:"sees"` // "sees", "cannot see who" or "blind"
}

// Guarded is one credential file as `wormbell credentials` lists it. It never
// holds a value.
type Guarded struct {
	Store    string     `json:"store"` // ID of the store, "npm"
	Kind     string     `json:"kind"`  // what is in it, "npm tokens"
	Path     string     `json:"path"`  // with ~
	User     string     `json:"user"`
	State    string     `json:"state"`               // one of the Guard constants
	Why      string     `json:"why,omitempty"`       // for GuardNot: a few words
	LastRead *time.Time `json:"last_read,omitempty"` // when it was last opened for reading
	LastBy   string     `json:"last_by,omitempty"`   // by whom, in a few words
	Readers  []Reader   `json:"readers,omitempty"`   // who opened it lately, since the agent started: newest first, at most 5, one per program
}

// Reader is one of those who opened a guarded file for reading.
type Reader struct {
	Time  time.Time `json:"time"`            // when it last did
	By    string    `json:"by"`              // who, in a few words
	Alert string    `json:"alert,omitempty"` // ID of the alert that this reading belongs to
}

// Usage is what the agent took in one span of time, its watchdog included.
type Usage struct {
	Time    time.Time `json:"time"`    // end of the span
	Seconds float64   `json:"seconds"` // its length; a span in which the machine slept is shorter than the clock says
	CPU     float64   `json:"cpu"`     // seconds of processor time used in it; 0 where that is not known
	RSS     int64     `json:"rss"`     // bytes resident at its end
	Lost    int       `json:"lost"`    // events lost in it
}

// The states of a guarded file.
const (
	GuardOn     = "guarded"
	GuardAbsent = "absent"      // not there; guarded as soon as it appears
	GuardNot    = "not guarded" // should be, cannot be: see Why
	GuardOff    = "off"         // its store is off in the configuration
)

// TrustRow says who may read which store without a finding.
type TrustRow struct {
	ID     string `json:"id"`             // "npm-reads-npmrc" for the built-in ones, 8 characters for a person's
	Store  string `json:"store"`          // ID of the store, or "*"
	Who    string `json:"who"`            // "signer:*", "signer:deb:git", "exe:/path", "exe:/path script:/path", "project-code"
	Under  string `json:"under"`          // "person", "project", "not-a-dependency-script", "any"
	Path   string `json:"path,omitempty"` // narrows Store to one file
	Reason string `json:"reason"`
	// Digest is what the files of Who are, "sha256:…", where others than root may
	// write them: the script's or else the program's SHA-256; if both are such, that
	// of the program's and the script's together. The agent takes it when the row is
	// added, and the row holds only for as long as they are the same. "" is for
	// every other row.
	Digest string     `json:"digest,omitempty"`
	By     string     `json:"by"`             // "built-in", "first-use", "admin", or the uid of the person
	File   string     `json:"file,omitempty"` // of the administrator's, from which the row comes and with which it goes
	Until  *time.Time `json:"until,omitempty"`
}

// Setting is one setting of the agent, or one act of users that an
// administrator may lock.
type Setting struct {
	Key string `json:"key"` // as in docs/config.md; of an act "pause", "trust", "mute"
	// Value is what holds now: a string, a boolean or a list of strings; of an act
	// Allowed or Refused.
	Value    any    `json:"value"`
	From     string `json:"from"`                // the file or the flag ("--home") that set it, FromDefault, or FromCall
	Locked   bool   `json:"locked"`              // only files of the administrator's change it
	LockedBy string `json:"locked_by,omitempty"` // the file that says so
}

// What a Setting's Value says of an act.
const (
	Allowed = "allowed"
	Refused = "refused"
)

// Where a Setting is from if neither a file nor a flag set it.
const (
	FromDefault = "default"
	FromCall    = "wormbell protect" // switched since the agent started
)

// Locked returns the file that has locked a setting or an act, "" if none has.
func (s Status) Locked(key string) string {
	for _, x := range s.Settings {
		if x.Key == key {
			return x.LockedBy
		}
	}
	return ""
}
