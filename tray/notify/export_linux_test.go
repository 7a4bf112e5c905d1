package notify

import "time"

// Only limits the terminals that c's notifier may write to, and gives the
// desktop more time than a person would: the machine of a test is busy.
func Only(c Config, only func(tty string) bool) Config {
	c.only, c.limit = only, time.Minute
	return c
}

// Within is Only, with a limit for a call to the desktop.
func Within(c Config, limit time.Duration) Config {
	c.limit = limit
	return c
}
