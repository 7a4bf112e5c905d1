// Package packaging holds the files that packages and the installer put on a
// machine: units, autostart entries, property lists. They name the programs
// where a package has them, in /usr/bin.
//
// It is data: what is done with it is the installer's and the release's part.
package packaging

import "embed"

// Files are the files, by their path below this folder: "systemd/wormbelld.service".
//
//go:embed systemd xdg man
var Files embed.FS
