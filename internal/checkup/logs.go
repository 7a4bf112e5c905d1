package checkup

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"wormbell/internal/plain"
)

// This file reads what npm logged of its last runs.

const (
	maxLogs = 200
	maxLog  = 4 << 20
	looping = 3 // packages published from one folder, or from folders for temporary files
)

// published is a publish as npm's log of it says.
type published struct {
	name, version, dir string
}

var (
	logPut  = regexp.MustCompile(`^\d+ http fetch PUT 20\d `)
	logName = regexp.MustCompile(`^\d+ notice name:\s+(\S+)`)
	logVer  = regexp.MustCompile(`^\d+ notice version:\s+(\S+)`)
	logCwd  = regexp.MustCompile(`^\d+ verbose cwd (.+)`)
	logArgv = regexp.MustCompile(`^\d+ verbose argv "publish"(?: "([^"-][^"]*)")?`)
)

// parseLog reads one debug log of npm's; ok says that something was published,
// whole that all of it was read.
func parseLog(b []byte) (p published, ok, whole bool) {
	argument, publish, put := "", false, false
	whole = lines(b, func(_ int, line string) bool {
		switch {
		case strings.Contains(line, " verbose argv "):
			if m := logArgv.FindStringSubmatch(line); m != nil {
				publish, argument = true, m[1]
			}
		case logPut.MatchString(line):
			put = true
		case p.name == "" && logName.MatchString(line):
			p.name = logName.FindStringSubmatch(line)[1]
		case p.version == "" && logVer.MatchString(line):
			p.version = logVer.FindStringSubmatch(line)[1]
		case logCwd.MatchString(line):
			p.dir = logCwd.FindStringSubmatch(line)[1]
		}
		return true
	})
	if strings.HasPrefix(argument, "/") {
		p.dir = path.Dir(argument)
	}
	return p, publish && put && p.name != "", whole
}

// logs looks whether what npm logged of its last ten runs is a publish loop.
func (k *checkup) logs(ctx context.Context, s *Section) {
	const dir = ".npm/_logs"
	names, more, err := k.home.names(dir, maxLogs)
	if err != nil {
		if why := could(tilde(dir), err); why != "" {
			s.skip("%s", why)
		}
		return
	}
	if more {
		s.skip("%s", could(tilde(dir), errMany))
	}
	here, temp := map[string][]string{}, []string{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		if ctx.Err() != nil {
			s.skip("%s: the time was over", tilde(dir))
			break
		}
		b, err := k.home.read(path.Join(dir, name), maxLog)
		if err != nil {
			if why := could(tilde(path.Join(dir, name)), err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		p, ok, whole := parseLog(b)
		if !whole {
			s.skip("%s: some of its lines", tilde(path.Join(dir, name)))
		}
		if !ok {
			continue
		}
		if k.inTemp(p.dir) && !slices.Contains(temp, p.name) {
			temp = append(temp, p.name)
		}
		if !slices.Contains(here[p.dir], p.name) {
			here[p.dir] = append(here[p.dir], p.name)
		}
	}
	const do = "look at what your npm account has published; if it was not you, deprecate and unpublish it, and revoke the npm token once nothing else is found"
	for dir, names := range here {
		if len(names) >= looping && !k.inTemp(dir) {
			s.add(Finding{Level: Sign, Kind: "publish-loop", What: fmt.Sprintf("npm has published one folder under %d different names", len(names)), Where: "~/.npm/_logs, folder " + k.short(dir),
				SoWhat: "that is how token farms and worms publish: " + plain.Cut(strings.Join(names[:3], ", "), 120), Do: do})
		}
	}
	if len(temp) >= looping {
		s.add(Finding{Level: Sign, Kind: "publish-loop", What: fmt.Sprintf("npm has published %d packages from folders for temporary files", len(temp)), Where: "~/.npm/_logs",
			SoWhat: "worms change what you maintain there and publish it: " + plain.Cut(strings.Join(temp[:3], ", "), 120), Do: do})
	}
}
