package notify

// Only limits the terminals that c's notifier may write to.
func Only(c Config, only func(tty string) bool) Config {
	c.only = only
	return c
}
