package signer

import (
	"time"

	"wormbell/watchers/internal/procs"
)

// ledTicks is how many ticks older than a process the last change on the way to
// its script must be: the times of files are those of the kernel's last tick, that
// of a process is cut to 10 ms, and the two clocks are not read at once.
const ledTicks = 5

// Led returns the file that name, the absolute path of a script, leads the
// process pid to, every symlink resolved, if it has done so for longer than the
// process is there, which began age ago; "" if anything on the way is newer, if
// the process has another view of the file system, or if that cannot be told. It
// vouches for nothing: it says which name the file has that was executed.
func (s *Signer) Led(pid int, name string, age time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.files.Lookup(name)
	if err != nil || !found.Regular || s.cfg.Now().Sub(time.Unix(0, found.Moved)) < age+ledTicks*procs.Tick() {
		return ""
	}
	if ns := mountNamespace(pidName(pid)); ns == "" || ns != s.ns && ns != s.machine {
		return "" // it may lay another file over any of them, and take that away again
	}
	if r, err := rootIdent(pid); err != nil || r.Dev != s.root.Dev || r.Ino != s.root.Ino {
		return ""
	}
	seen, err := identIn(pid, name, &s.files.mounts)
	if err != nil || seen.Dev != found.Dev || seen.Ino != found.Ino {
		return ""
	}
	return found.Path
}
