package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// breed makes the variation of a campaign that a seed stands for: the same for
// ever, as long as the campaign and the mutators are.
func breed(c campaign, seed uint64) *Worm {
	r := rand.New(rand.NewPCG(seed, uint64(len(c.name))<<32|uint64(c.name[0])<<8|uint64(c.name[len(c.name)-1])))
	w := &Worm{Campaign: c.name, Seed: seed, Version: version(r), Package: name(r), Client: "npm", Files: map[string]string{}, Script: Script{Language: "node"}}
	for p, text := range decoyFiles {
		w.Files[p] = text
	}
	c.make(r, w)
	if w.Start == "import" {
		w.Form = "main"
	}
	if seed != 0 { // the campaign as it was seen
		for _, m := range mutators {
			m(r, w)
		}
	}
	if strings.IndexByte(w.File, '.') < 0 {
		w.File += suffix[w.Script.Language]
	}
	return w
}

// mutators change a worm as its author would, each by chance, in this order.
var mutators = []func(*rand.Rand, *Worm){renames, rehooks, respells, shuffles, spreads, rereads, paces, nests, translates, wanders, installs, republishes, reforms, packs}

// pick returns one of a list.
func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// syllables of names that nobody has seen.
var syllables = strings.Fields("ba be bi bo da de do fa fi fo ga gi go ka ke ki ko la le li lo ma me mi mo na ne ni no pa pe pi po ra re ri ro sa se si so ta te ti to va ve vi vo za ze zo")

func name(r *rand.Rand) string {
	var b strings.Builder
	for i := range 2 + r.IntN(3) {
		if i > 1 && r.IntN(4) == 0 {
			b.WriteByte('-')
		}
		b.WriteString(syllables[r.IntN(len(syllables))])
	}
	return b.String() + "-" + syllables[r.IntN(len(syllables))] + syllables[r.IntN(len(syllables))]
}

func version(r *rand.Rand) string {
	return fmt.Sprintf("%d.%d.%d", 1+r.IntN(5), r.IntN(20), r.IntN(30))
}

// renames gives the first script, and the tools that the worm brings, other names.
func renames(r *rand.Rand, w *Worm) {
	if r.IntN(3) > 0 {
		w.File = strings.ReplaceAll(name(r), "-", "")
	}
	as := map[string]string{}
	each(&w.Script, func(s *Step) {
		if s.Write != nil && strings.HasPrefix(s.Write.Text, "#!") && r.IntN(2) == 0 {
			to := s.Write.Path[:strings.LastIndexByte(s.Write.Path, '/')+1] + name(r)
			as[s.Write.Path], s.Write.Path = to, to
		}
		if s.Run != nil && as[s.Run.Args[0]] != "" {
			s.Run.Args = slices.Clone(s.Run.Args)
			s.Run.Args[0] = as[s.Run.Args[0]]
		}
	})
}

// rehooks has another lifecycle script start it.
func rehooks(r *rand.Rand, w *Worm) {
	if !slices.Contains(starts[:3], w.Start) || r.IntN(2) == 0 {
		return
	}
	if w.Start = pick(r, starts[:4]...); takes(w, "~/.npmrc") && r.IntN(4) == 0 { // what a project's own scripts may not read, either
		w.Start = pick(r, "own", "workspace")
	}
}

// takes reports whether all that is wanted of a worm is a read, and it reads a file.
func takes(w *Worm, p string) (does bool) {
	each(&w.Script, func(s *Step) { does = does || s.Read != nil && s.Read.Path == p })
	return does && len(w.Want) == 1 && w.Want[0][0] == "credential-read"
}

// reforms has another form of import or binding.gyp bring it.
func reforms(r *rand.Rand, w *Worm) {
	switch {
	case r.IntN(4) == 0:
	case w.Start == "import":
		w.Form = pick(r, keys(forms)...)
		if forms[w.Form].inside && !takes(w, "~/.config/gh/hosts.yml") && !takes(w, "~/.git-credentials") && !takes(w, "~/.netrc") {
			w.Form = "main" // a package manager that reads its own files alone does what it always does
		}
	case w.Start == "gyp":
		w.Form = pick(r, keys(gypFiles)...)
	}
}

// packs publishes tarballs instead of folders.
func packs(r *rand.Rand, w *Worm) {
	each(&w.Script, func(s *Step) {
		if s.Run != nil && s.Run.As == "" && s.Run.Args[0] == "npm" && slices.Contains(s.Run.Args, "publish") && !slices.Contains(s.Run.Args, ".") && r.IntN(6) == 0 {
			s.Run.Tar = pick(r, keys(tarballs)...)
		}
	})
}

// respells publishes with another command line.
func respells(r *rand.Rand, w *Worm) {
	each(&w.Script, func(s *Step) {
		if s.Run == nil || s.Run.Args[0] != "npm" || !slices.Contains(s.Run.Args, "publish") {
			return
		}
		switch r.IntN(6) {
		case 0:
			s.Run.Args = []string{"npm", "--loglevel", "silent", "publish"}
		case 1:
			s.Run.Args = []string{"npm", "publish", "--access", "public"}
		case 2:
			s.Run.Args = []string{"npm", "pub"}
		case 3:
			s.Run.Args = []string{"npm", "publish", "--tag", "latest", "."}
		}
	})
}

// shuffles does what does not depend on one another in another order: a run of reads.
func shuffles(r *rand.Rand, w *Worm) {
	steps := w.Script.Steps
	for i := 0; i < len(steps); {
		j := i
		for j < len(steps) && steps[j].Read != nil {
			j++
		}
		r.Shuffle(j-i, func(a, b int) { steps[i+a], steps[i+b] = steps[i+b], steps[i+a] })
		i = max(j, i+1)
	}
}

// spreads gives some steps to scripts of their own.
func spreads(r *rand.Rand, w *Worm) {
	if r.IntN(3) > 0 {
		return
	}
	for i := range w.Script.Steps {
		if s := w.Script.Steps[i]; s.Read != nil && r.IntN(2) == 0 {
			w.Script.Steps[i] = Step{Play: &Play{File: "$TMP/" + name(r), Shell: r.IntN(2) == 0, Script: Script{Language: pick(r, languages...), Steps: []Step{s}}}}
		}
	}
}

// rereads has other programs read.
func rereads(r *rand.Rand, w *Worm) {
	if r.IntN(2) == 0 {
		return
	}
	each(&w.Script, func(s *Step) {
		if s.Read != nil && r.IntN(2) == 0 {
			if s.Read.How = pick(r, keys(readers)...); strings.HasPrefix(s.Read.How, "npm ") && s.Read.Path == "~/.npmrc" {
				s.Read.How = "cat" // npm may read its own file, whoever starts it
			}
		}
	})
}

// paces waits between the steps.
func paces(r *rand.Rand, w *Worm) {
	if r.IntN(2) == 0 {
		return
	}
	var steps []Step
	for _, s := range w.Script.Steps {
		if steps = append(steps, s); r.IntN(3) == 0 {
			steps = append(steps, Step{Sleep: 1 + r.IntN(600)})
		}
	}
	w.Script.Steps = steps
}

// nests puts scripts between the first one and what it does, some of which leave
// the tree of the installer.
func nests(r *rand.Rand, w *Worm) {
	for range r.IntN(4) {
		file := pick(r, "$PKG/", "$TMP/", "$TMP/."+name(r)+"/") + name(r)
		w.Script = Script{Language: w.Script.Language, Steps: []Step{{Play: &Play{File: file, Script: w.Script, Shell: r.IntN(2) == 0,
			Detached: w.Start != "hand" && r.IntN(3) == 0}}}}
	}
}

// translates writes scripts in other languages. What an import runs is node's.
func translates(r *rand.Rand, w *Worm) {
	if w.Start != "import" && r.IntN(3) == 0 {
		w.Script.Language = pick(r, languages...)
	}
	each(&w.Script, func(s *Step) {
		if s.Play != nil && r.IntN(2) == 0 {
			s.Play.Script.Language = pick(r, languages...)
		}
	})
}

// each calls do for every step of a script and of those that it plays.
func each(s *Script, do func(*Step)) {
	for i := range s.Steps {
		do(&s.Steps[i])
		if p := s.Steps[i].Play; p != nil {
			each(&p.Script, do)
		}
	}
}

// wanders starts scripts in other ways.
func wanders(r *rand.Rand, w *Worm) {
	each(&w.Script, func(s *Step) {
		if s.Play == nil || r.IntN(2) == 0 {
			return
		}
		via := pick(r, waysOf(s.Play)...)
		if via == "home" && runs(&s.Play.Script) || via == "later" && w.Start == "hand" {
			return // it would ask another registry; a person sees their prompt first
		}
		s.Play.Via = via
	})
}

// installs has another client install it. What is imported is there before, and
// node-gyp comes with npm.
func installs(r *rand.Rand, w *Worm) {
	if contains(starts[:3], w.Start) && r.IntN(2) == 0 {
		w.Client = pick(r, "npm-12", "pnpm-10", "pnpm-12", "yarn-1", "yarn-4", "bun-1", "deno-2")
		if w.Client == "deno-2" && (len(w.Want) > 1 || w.Want[0][0] != "credential-read") {
			w.Client = "npm" // the agent does not know what deno runs for a dependency's script: docs/limits.md
		}
	}
}

// republishes has other clients publish, or npm by another name.
func republishes(r *rand.Rand, w *Worm) {
	each(&w.Script, func(s *Step) {
		if s.Run == nil || s.Run.Args[0] != "npm" || !slices.ContainsFunc(s.Run.Args, func(a string) bool { return a == "publish" || a == "pub" }) {
			return
		}
		switch r.IntN(9) {
		case 0:
			s.Run.Args = []string{"pnpm-10", "publish", "--no-git-checks"}
		case 1:
			s.Run.Args = []string{"yarn-1", "publish", "--non-interactive", "--new-version", version(r), "--no-git-tag-version"}
		case 2:
			s.Run.Args = []string{"bun-1", "publish"}
		case 3:
			s.Run.Args = []string{"yarn-4", "npm", "publish"}
		case 4:
			s.Run.As = pick(r, "vim", "node", "-bash", "npm install")
		}
	})
}
