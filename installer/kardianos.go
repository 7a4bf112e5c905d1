package installer

import (
	"errors"
	"path/filepath"

	"github.com/kardianos/service"
)

// nobody is a service that this program controls and never is.
type nobody struct{}

func (nobody) Start(service.Service) error { return errors.New("this program is not the service") }
func (nobody) Stop(service.Service) error  { return nil }

// serviceConfig describes the agent to the library (docs/decisions/0004). program
// is where the agent lies, "" where nothing is created.
func serviceConfig(goos, program, state string) *service.Config {
	c := &service.Config{
		Name:        ServiceName,
		DisplayName: "Wormbell",
		Description: "Alarm bell for npm worms",
		Executable:  program,
	}
	switch goos {
	case "darwin":
		c.Name = LaunchdLabel
	case "windows":
		c.Arguments = []string{"--state", state, "--socket", filepath.Join(state, "wormbell.sock")}
		c.Option = service.KeyValue{
			"StartType":              "automatic",
			"DelayedAutoStart":       false, // who logs in may start npm at once
			"OnFailure":              "restart",
			"OnFailureDelayDuration": "1s",
			"OnFailureResetPeriod":   3600, // seconds without a failure after which none counts
		}
	}
	return c
}

// control returns the library's hold of the agent's service.
func control(goos, program, state string) (service.Service, error) {
	return service.New(nobody{}, serviceConfig(goos, program, state))
}

// runCommand is a command line of the Run key: with the path in quotes, or what
// stands before a space in it would be tried first.
func runCommand(program string) string { return `"` + program + `"` }
