package watchers

import "time"

// writers tells the signer who writes while packages are installed, or while a
// script of a dependency is alive. See [tree.Writers].
type writers struct{ lineage *Lineage }

// Matter reports whether a package manager was at work or a script of a
// dependency was alive between two times.
func (w writers) Matter(from, to time.Time) bool {
	l := w.lineage
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tab == nil {
		return false
	}
	l.drain()
	return l.tab.work.matters(from, to)
}

// Suspect returns what tells the signer of what a process writes, unless it is a
// package manager that somebody vouches for and that no dependency's script started.
func (w writers) Suspect(pid int) func(path string, content bool) {
	l := w.lineage
	l.mu.Lock()
	defer l.mu.Unlock()
	own, script := "", false
	if l.tab != nil && pid > 0 {
		l.drain()
		if l.tab.at(pid) != nil { // also of one that has ended
			r := l.tab.nodes[pid].run
			if r.installer && r.life == nil {
				return nil
			}
			if r.life != nil {
				own, script = r.life.folder, true
			}
		}
	}
	return func(path string, content bool) { l.sign.Wrote(path, own, script, content) }
}
