package persistence

// Only limits the processes that are looked at.
func (c *Config) Only(mine func(pid int) bool) { c.only = mine }

// Most limits how many are.
func (c *Config) Most(n int) { c.most = n }

// MostHanging is how many readers may hang.
const MostHanging = hungMax
