package tray

import "errors"

// ErrNoDesktop is wrapped by errors of [Join] that say that there is no desktop
// session that could show an icon.
var ErrNoDesktop = errors.New("no desktop session")

// ErrRunning is the error of [Join] where another tray runs in the session.
var ErrRunning = errors.New("another tray runs in this session")
