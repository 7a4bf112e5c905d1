package checkup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"wormbell/agent/respond"
	"wormbell/internal/mask"
	"wormbell/internal/stores"
)

// tokens tells which kinds of secrets stand in which plain files.
func (k *checkup) tokens(ctx context.Context, s *Section) {
	files := k.holds
	for _, why := range k.blind {
		s.skip("%s", why)
	}
	if k.closed != "" {
		n := len(slices.DeleteFunc(slices.Clone(files), func(p string) bool { return !k.guarded(p) }))
		s.skip("%d credential files were left closed, so that the agent need not ring: %s", n, k.closed)
	}
	may := []string{}
	for _, p := range files {
		if !k.allowed(p) {
			if k.closed == "" {
				s.skip("%s: there are too many guarded files", p)
			}
			continue
		}
		if err := k.home.inside(rel(p)); err != nil {
			if why := could(p, err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		may = append(may, p)
	}
	holds := map[string]bool{} // files with secrets, with ~
	k.standing(ctx, s, may, holds)
	k.others(s, holds)
	k.exported(ctx, s, holds)
	k.typed(ctx, s, holds)
	k.environments(ctx, s, holds)
	k.modes(s, holds)
	for _, p := range k.Decoys {
		s.add(Finding{Level: Fine, Kind: "decoy", What: "A decoy that Wormbell has planted", Where: p, SoWhat: "nothing is in it that could be taken"})
	}
	s.Looked = fmt.Sprintf("%s, %s, histories and start-up files of shells", plural(len(may), "credential file"), plural(len(k.envs), ".env file"))
}

// standing looks for tokens in the files where programs keep them.
func (k *checkup) standing(ctx context.Context, s *Section, may []string, holds map[string]bool) {
	m := &respond.Machine{Home: k.home.dir, Getenv: k.Getenv, Memory: &respond.Memory{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	found, err := respond.Find(ctx, m, respond.All, may)
	k.partly(s, err)
	unheld, err := respond.Unheld(ctx, m, may)
	k.partly(s, err)
	type spot struct{ kind, path string }
	keys, order := map[spot][]string{}, []spot{}
	for _, t := range slices.Concat(found, unheld) {
		for _, p := range t.Places {
			at := spot{t.Kind, p.Path}
			if p.Path == "" {
				continue
			}
			if keys[at] == nil {
				order = append(order, at)
			}
			if !slices.Contains(keys[at], p.Key) {
				keys[at] = append(keys[at], p.Key)
			}
		}
	}
	for _, at := range order {
		holds[at.path] = true
		f := Finding{Level: Risk, Kind: "token", What: respond.ByID(at.kind).Title + " in a plain file", Where: at.path,
			SoWhat: "every program that you start can read it", Do: "'wormbell tokens " + at.kind + "' says what it may do; revoke it if you do not need it"}
		if at.kind == "npm" && at.path == "~/.npmrc" {
			f.Do = "move it to the keychain: wormbell vault npm"
		}
		if at.kind == "ssh" {
			f.Do = "give it a passphrase: ssh-keygen -p -f " + at.path
		}
		if names := keys[at]; len(names) > 1 {
			f.What = fmt.Sprintf("%s, in %d places of a plain file", respond.ByID(at.kind).Title, len(names))
		}
		s.add(f)
	}
}

// partly says which files could not be read, a line each.
func (k *checkup) partly(s *Section, err error) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		s.skip("%s", strings.ReplaceAll(line, k.home.dir+"/", "~/"))
	}
}

// settingsToo are the stores whose files are settings first: where no token was
// found in them, there may be none. Histories and .env files are looked into.
var settingsToo = []string{"npm", "pnpm", "yarn", "bun", "gradle", "maven", "nuget", "windsurf", "kiro", "env", "history", "browser", "editor"}

// others tells of the files of stores in which no token of a known kind was
// found: what is in them is for their programs to know. They stay closed.
func (k *checkup) others(s *Section, holds map[string]bool) {
	for i := range stores.All {
		st := &stores.All[i]
		if slices.Contains(settingsToo, st.ID) {
			continue
		}
		var files []string
		for _, pattern := range st.Paths {
			for _, r := range k.home.glob(rel(pattern), func(at string, err error) { s.skip("%s", could(tilde(at), err)) }) {
				p := tilde(r)
				if holds[p] || strings.HasSuffix(p, ".pub") {
					continue
				}
				switch err := k.home.inside(r); {
				case err == nil:
					holds[p] = true
					files = append(files, p)
				case errors.Is(err, errOutside), errors.Is(err, errMount), errors.Is(err, fs.ErrPermission):
					s.skip("%s", could(p, err))
				}
			}
		}
		if len(files) == 0 {
			continue
		}
		where := files[0]
		if n := len(files) - 1; n > 0 {
			where += fmt.Sprintf(" and %d more", n)
		}
		s.add(Finding{Level: Note, Kind: "store", What: capital(st.Kind), Where: where, SoWhat: "a worm would take the file"})
	}
}

// exported looks for variables in the files that shells read when they start.
func (k *checkup) exported(ctx context.Context, s *Section, holds map[string]bool) {
	list := slices.Clone(starting)
	for _, dir := range startingIn {
		names, more, err := k.home.names(dir, maxInFolder)
		switch {
		case err != nil && !absent(err): // most have no such folder
			s.skip("%s", could(tilde(dir), err))
		case more:
			s.skip("%s", could(tilde(dir), errMany))
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".fish") || strings.HasSuffix(name, ".conf") {
				list = append(list, path.Join(dir, name))
			}
		}
	}
	may := []string{}
	for _, p := range list {
		switch err := k.home.inside(p); {
		case err == nil:
			may = append(may, tilde(p))
		case could(tilde(p), err) != "":
			s.skip("%s", could(tilde(p), err))
		}
	}
	m := &respond.Machine{Home: k.home.dir, Getenv: func(string) string { return "" }, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	found, err := respond.FindExported(ctx, m, may)
	k.partly(s, err)
	for _, x := range found {
		holds[x.Path] = true
		what := x.What
		if title := respond.ByID(x.Kind); what == "" && title != nil {
			what = title.Title
		}
		if what == "" {
			what = "secret"
		}
		f := Finding{Level: Risk, Kind: "exported", What: fmt.Sprintf("%s in variable %s", capital(what), x.Name), Where: fmt.Sprintf("%s, line %d", x.Path, x.Line),
			SoWhat: "every program that you start from a shell inherits it, so stealing it opens no file", Do: "take it out of the file, and replace it"}
		if !x.Exported {
			f.SoWhat = "every program that you start can read it there"
		}
		s.add(f)
	}
}

// typed looks for secrets in what was typed.
func (k *checkup) typed(ctx context.Context, s *Section, holds map[string]bool) {
	for _, p := range unreadHistories {
		if there, err := k.home.is(p); there {
			s.skip("%s: it is a database", tilde(p))
		} else if err != nil {
			s.skip("%s", could(tilde(path.Dir(p)), err))
		}
	}
	for _, p := range histories {
		if ctx.Err() != nil {
			s.skip("histories: the time was over")
			return
		}
		if !k.allowed(tilde(p)) {
			continue // said above, with the others
		}
		text, cut, err := k.home.end(p, maxHistory)
		if err != nil {
			if why := could(tilde(p), err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		if cut > 0 {
			s.skip("%s: its first %d MiB", tilde(p), (cut+1<<20-1)>>20)
		}
		found, whole := secretsIn(ctx, text)
		if !whole {
			s.skip("%s: some of its lines", tilde(p))
		}
		for _, kind := range slices.Sorted(maps.Keys(found)) {
			holds[tilde(p)] = true
			where := tilde(p) + ", " + lineList(found[kind])
			if cut > 0 {
				where = tilde(p) // nobody has counted the lines before
			}
			s.add(Finding{Level: Risk, Kind: "history", What: fmt.Sprintf("%s that was typed, %s", capital(kind), times(len(found[kind]))), Where: where,
				SoWhat: "worms search histories for tokens", Do: "delete the lines from the history, and replace the token"})
		}
	}
}

// end returns the last limit bytes of a file, from where a line begins, and how
// many bytes stand before them.
func (h *home) end(rel string, limit int64) (b []byte, before int64, err error) {
	f, info, err := h.open(rel)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	before = max(0, info.Size()-limit)
	b = make([]byte, min(info.Size(), limit))
	n, err := f.ReadAt(b, before)
	if b = b[:n]; n < len(b) || err != nil && n == 0 && len(b) > 0 {
		return nil, 0, err
	}
	if before > 0 {
		if i := slices.Index(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return b, before, nil
}

// secretsIn returns the lines in which secrets of each kind stand, those that
// are certain by their format and checksum. whole says that all lines were seen.
func secretsIn(ctx context.Context, text []byte) (found map[string][]int, whole bool) {
	found = map[string][]int{}
	whole = lines(text, func(n int, line string) bool {
		if len(line) < 12 { // no token is shorter
			return true
		}
		_, kinds := mask.Line(line)
		for _, kind := range kinds {
			found[kind] = append(found[kind], n)
		}
		return ctx.Err() == nil
	})
	return found, whole
}

func lineList(n []int) string {
	const most = 5
	words := make([]string, 0, most)
	for _, i := range n[:min(len(n), most)] {
		words = append(words, fmt.Sprint(i))
	}
	out := "line " + strings.Join(words, ", ")
	if len(n) > 1 {
		out = "lines " + strings.Join(words, ", ")
	}
	if more := len(n) - most; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// maxEnvTold is how many .env files are told of one by one.
const maxEnvTold = 20

// environments looks for secrets in the .env files of projects.
func (k *checkup) environments(ctx context.Context, s *Section, holds map[string]bool) {
	told, more := 0, 0
	for _, p := range k.envs {
		if ctx.Err() != nil {
			s.skip(".env files: the time was over")
			break
		}
		b, err := k.read(rel(p), maxSettings)
		if err != nil {
			if why := could(p, err); why != "" && !errors.Is(err, errGuarded) {
				s.skip("%s", why)
			}
			continue
		}
		names, kinds := 0, []string{}
		whole := lines(b, func(_ int, line string) bool {
			if t := strings.TrimSpace(line); t == "" || t[0] == '#' {
				return true
			}
			masked, certain := mask.Line(line)
			if masked != line {
				names++
			}
			for _, kind := range certain {
				if !slices.Contains(kinds, kind) {
					kinds = append(kinds, kind)
				}
			}
			return ctx.Err() == nil
		})
		if !whole {
			s.skip("%s: some of its lines", p)
		}
		if names == 0 {
			continue
		}
		holds[p] = true
		if told++; told > maxEnvTold {
			more++
			continue
		}
		f := Finding{Level: Note, Kind: "env", What: plural(names, "variable") + " that " + verb(names, "looks like a secret", "look like secrets"), Where: p,
			SoWhat: "every program that you start can read it, and every install script below it"}
		if len(kinds) > 0 {
			slices.Sort(kinds)
			f.Level, f.What = Risk, capital(strings.Join(kinds, ", "))+" in a project's environment"
			f.Do = "use a token that may do little, or a secret manager; see that git ignores the file"
		}
		s.add(f)
	}
	if more > 0 {
		s.add(Finding{Level: Note, Kind: "env", What: plural(more, "more .env file") + " with what looks like secrets"})
	}
	if len(k.envs) == maxEnvs {
		s.skip(".env files beyond the first %d", maxEnvs)
	}
}

// quoted is a path with ~, or a name, as a shell takes it.
func quoted(p string) string {
	in := ""
	if strings.HasPrefix(p, "~/") {
		in, p = "~/", p[2:]
	}
	if strings.ContainsFunc(p, func(r rune) bool {
		return !(r == '/' || r == '~' || r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}) {
		p = "'" + strings.ReplaceAll(p, "'", `'\''`) + "'"
	}
	return in + p
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// absent reports whether err says that there is no such file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotFolder) }
