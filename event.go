// Package wormbell is the project's dictionary: the words every room shares.
//
// It holds no behaviour beyond reading its own values, does no I/O, and
// imports the standard library only. See docs/architecture.md for the way an
// [Event] travels to become an [Alert].
package wormbell

import (
	"net/netip"
	"time"
)

// Kind names what happened, as object.verb.
type Kind string

// The kinds of events watchers and the agent itself emit.
const (
	FileRead       Kind = "file.read"       // a guarded file was opened for reading
	FileWrite      Kind = "file.write"      // a watched file was written or replaced
	FileRemove     Kind = "file.remove"     // a watched file went away
	ManifestChange Kind = "manifest.change" // a project's package.json says something else than before
	PackageAdd     Kind = "package.add"     // a package appeared under a node_modules folder
	PackageRemove  Kind = "package.remove"  // a package left a node_modules folder
	ProcessStart   Kind = "process.start"   // a process executed a program
	ProcessExit    Kind = "process.exit"    // a process ended
	ShellCommand   Kind = "shell.command"   // a command was added to a shell's history
	ConnectionSeen Kind = "connection.seen" // a process of a tree that the agent looks at is connected to somewhere
	AgentCall      Kind = "agent.call"      // somebody asked the agent to loosen the guard, or see [Announced]
	Gap            Kind = "gap"             // events were lost here; Count says how many
)

// Kinds lists every kind, in the order above.
var Kinds = []Kind{FileRead, FileWrite, FileRemove, ManifestChange, PackageAdd, PackageRemove,
	ProcessStart, ProcessExit, ShellCommand, ConnectionSeen, AgentCall, Gap}

// Announced is the Line of an agent.call by which one of our own programs says
// that it is going to read the file Path within the next Count seconds.
const Announced = "announced reading"

// Event is one fact a watcher saw. Fields it could not learn are zero.
//
// An Event holds no secret: watchers mask Line and Process.Args before they
// emit, and no field carries a file's content.
type Event struct {
	Time    time.Time `json:"time"`              // when it happened, by the source's clock, UTC
	Kind    Kind      `json:"kind"`              // what happened
	Source  string    `json:"source"`            // the backend that saw it: "fanotify", "ebpf", "procconn", "poll", "scan"
	User    string    `json:"user,omitempty"`    // whose session or home: uid or SID
	Process *Process  `json:"process"`           // who did it; nil if the source cannot tell
	Path    string    `json:"path"`              // to what: slash-separated, User's home written "~"
	Package *Package  `json:"package"`           // package.*: which one; process.start of a publish: what is published
	Was     *Manifest `json:"was,omitempty"`     // manifest.change: what it said before; nil if not known
	Is      *Manifest `json:"is,omitempty"`      // manifest.change: what it says now; nil if it is gone or not readable
	Scripts []string  `json:"scripts,omitempty"` // manifest.change: names of its scripts that are new or run something else than before, 20 at most; none if Was is nil
	Line    string    `json:"line"`              // shell.command: the command, secrets masked; agent.call, gap: what it was about; file.read with Protect: what was stopped
	Address string    `json:"address,omitempty"` // connection.seen: the other end, "192.0.2.1:443"; never a name
	Secrets []string  `json:"secrets,omitempty"` // shell.command: kinds of the secrets masked in Line, e.g. "npm access token"
	Count   int       `json:"count,omitempty"`   // gap: how many events were lost, 0 if that is not known; agent.call: see [Announced]; file.read with Protect: how many processes were stopped
	Demo    bool      `json:"demo,omitempty"`    // it happened inside a demonstration
	Decoy   bool      `json:"decoy,omitempty"`   // file.read: the file is a [Decoy], and nothing of a person's is in it
	Protect string    `json:"protect,omitempty"` // file.read: what was done about it while the reader waited, one of the Protect constants; "" for nothing
}

// Loopback reports whether the other end of a connection.seen is the machine
// itself, or the container that the process is in.
func (e *Event) Loopback() bool {
	to, err := netip.ParseAddrPort(e.Address)
	return err == nil && to.Addr().Unmap().IsLoopback()
}

// What Event.Protect says of a read.
const (
	Denied    = "denied"    // it was refused: nothing was read, and what the reader belongs to had been stopped before
	Late      = "late"      // it should have been refused, but could not be judged before its time was over: it went on
	Unstopped = "unstopped" // it should have been refused, but what the reader belongs to could not be stopped: it went on
)

// Denied reports whether e is a read that was refused: nobody has what is in
// the file.
func (e Event) Denied() bool { return e.Protect == Denied }

// Package names a package of a registry.
type Package struct {
	Ecosystem string `json:"ecosystem"` // "npm"
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
}

// String returns p as name@version.
func (p *Package) String() string {
	switch {
	case p == nil:
		return ""
	case p.Version == "":
		return p.Name
	}
	return p.Name + "@" + p.Version
}

// Manifest is what the detectors need of a package.json.
type Manifest struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	Private bool   `json:"private,omitempty"` // as npm reads it: any truthy value
}
