package cli

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/demo"
)

// Agent is the agent as this program sees it: see [client.Client] for what its
// methods do.
type Agent interface {
	demo.Agent
	Alerts(ctx context.Context, all bool) ([]wormbell.Alert, error)
	Alert(ctx context.Context, id string) (wormbell.Alert, error)
	Close(ctx context.Context, id, reason string) error
	Mute(ctx context.Context, id, reason string) error
	Reopen(ctx context.Context, id, reason string) error
	Freeze(ctx context.Context, id string) (string, error)
	Resume(ctx context.Context, id string) (string, error)
	Kill(ctx context.Context, id string) (string, error)
	Act(ctx context.Context, id string, a wormbell.Action) error
	Announce(ctx context.Context, paths []string, d time.Duration) error
	Trust(ctx context.Context) ([]wormbell.TrustRow, error)
	AddTrust(ctx context.Context, row wormbell.TrustRow) (wormbell.TrustRow, error)
	RemoveTrust(ctx context.Context, id string) error
	Credentials(ctx context.Context) ([]wormbell.Guarded, error)
	Decoys(ctx context.Context) ([]wormbell.Decoy, error)
	PlantDecoy(ctx context.Context, d wormbell.Decoy) (wormbell.Decoy, error)
	ForgetDecoy(ctx context.Context, id string) error
	Pause(ctx context.Context, d time.Duration) error
	Protect(ctx context.Context, on bool) error
	Calls(ctx context.Context) ([]wormbell.Event, error)
	Events(ctx context.Context, each func(wormbell.Event) error) error
}

// The command line is tried against an agent in memory, too; this is the real one.
var _ Agent = (*client.Client)(nil)

// connect opens a connection to the real agent.
func connect(socket string) (Agent, error) {
	c, err := client.Dial(client.Config{Socket: socket})
	if err != nil {
		return nil, err // not c, which would be an Agent that is not nil
	}
	return c, nil
}

// dial connects to the agent that the user means.
func (a *app) dial(ctx context.Context) (Agent, error) {
	c, err := a.connect(a.socket)
	if errors.Is(err, client.ErrNoAgent) {
		return nil, hint(err, a.whyNone(ctx)...)
	}
	if err != nil {
		return nil, advise(err)
	}
	return c, nil
}

// advise adds to an error of a call what a person can do about it.
func advise(err error) error {
	var said *client.Error
	switch {
	case errors.Is(err, client.ErrNoAgent):
		return hint(err, "'wormbell status' says whether it is installed, and why it does not run")
	case errors.As(err, &said) && said.Hint() != "":
		return hint(err, said.Hint())
	}
	return err
}

// ownSocket is where an agent that this user starts serves.
func (a *app) ownSocket() string {
	switch {
	case a.socket != "":
		return a.socket
	case os.Geteuid() == 0:
		return wormbell.SystemSocket
	}
	return wormbell.UserSocket(os.Getenv("XDG_RUNTIME_DIR"), strconv.Itoa(os.Geteuid()))
}
