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
		l.tab.at(pid) // also of one that has ended
		if n := l.tab.nodes[pid]; n != nil && n.run != nil {
			r := n.run
			if r.installer && r.life == nil {
				return nil
			}
			own, script = r.scriptOf()
		}
	}
	return func(path string, content bool) { l.sign.Wrote(path, own, script, content) }
}

// scriptOf returns the folder of the package whose script r is, "" if that is not known,
// and whether it is one, or may be: what was gone before its environment could be
// read, `echo x >>../pnpm/bin/pnpm.cjs`, counts as one if a package manager started it.
func (r *run) scriptOf() (folder string, script bool) {
	if r.life != nil {
		return r.life.folder, true
	}
	return "", r.waits != nil && r.img.env == nil
}
