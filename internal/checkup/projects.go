package checkup

import (
	"bytes"
	"context"
	"regexp"
	"strings"
)

// This file looks at what lies in projects themselves: scripts and workflows.

// kits looks for scripts in projects that publish over and over under new names.
func (k *checkup) kits(ctx context.Context, s *Section) {
	read := 0
	var large, many several
	defer func() {
		for _, why := range []string{large.says("what stands behind its first MiB", "%d scripts, behind their first MiB"), many.says("some of its scripts: there are too many", "%d projects, some of their scripts: there are too many")} {
			if why != "" {
				s.skip("%s", why)
			}
		}
	}()
	for _, p := range k.projects {
		files := 0
		for _, name := range p.names {
			if ctx.Err() != nil || read > 20_000 {
				s.skip("scripts of some projects: there are too many")
				return
			}
			if !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".mjs") && !strings.HasSuffix(name, ".cjs") {
				continue
			}
			if files++; files > maxKits {
				many.add(tilde(p.dir))
				break
			}
			read++
			b, more, err := k.home.start(p.at(name), 1<<20)
			if err != nil {
				if why := could(tilde(p.at(name)), err); why != "" {
					s.skip("%s", why)
				}
				continue
			}
			if more {
				large.add(tilde(p.at(name)))
			}
			if !isKit(b) {
				continue
			}
			f := Finding{Level: Sign, Kind: "kit", What: "A script publishes its folder over and over under changing names", Where: tilde(p.at(name)),
				SoWhat: "that is how token farms work, and it uses your npm account", Do: "do not run it; look where it came from, and at what your npm account has published"}
			if p.has("tea.yaml") {
				f.SoWhat += "; a tea.yaml lies beside it"
			}
			s.add(f)
		}
	}
}

var (
	kitPublish = regexp.MustCompile(`(?:npm|pnpm|yarn)["', ]+publish`)
	kitWrites  = regexp.MustCompile(`(?:writeFile|writeFileSync|writeJson|writeJSON|outputJson)\w*\s*\(`)
	kitRuns    = regexp.MustCompile(`child_process|execSync|execa|spawn\s*\(`)
	kitLoops   = regexp.MustCompile(`while\s*\(\s*(?:true|1|!0)\s*\)|for\s*\(\s*;\s*;\s*\)|setInterval\s*\(|for\s+await|for\s*\(\s*(?:let|var)\s+\w+\s*=`)
	kitForever = regexp.MustCompile(`while\s*\(\s*(?:true|1|!0)\s*\)|for\s*\(\s*;\s*;\s*\)|setInterval\s*\(`)
	kitRenames = regexp.MustCompile(`\.name\s*=[^=]|\[['"]name['"]\]\s*=[^=]`)
	kitOpens   = regexp.MustCompile(`delete\s+\w+(?:\.private|\[['"]private['"]\])|\.private\s*=\s*(?:false|undefined|!1)`)
	kitNew     = regexp.MustCompile(`Math\.random|randomInt|randomBytes|randomUUID|faker`)
)

// isKit reports whether a script publishes its own folder again and again: it
// changes the name in the manifest to something made up and publishes, or takes
// the private flag out and publishes without an end. A release script keeps the
// names, or has a second one for another registry, and comes to an end.
func isKit(b []byte) bool {
	if !bytes.Contains(b, []byte("publish")) || !bytes.Contains(b, []byte("package.json")) {
		return false
	}
	all := kitPublish.Match(b) && kitWrites.Match(b) && kitRuns.Match(b) && kitLoops.Match(b) && kitRenames.Match(b)
	return all && (kitNew.Match(b) || kitOpens.Match(b) && kitForever.Match(b))
}

// flowsTold looks for workflows that hand the secrets of a repository out, or
// run what anybody writes into a discussion.
func (k *checkup) flowsTold(ctx context.Context, s *Section) {
	for _, p := range k.workflows {
		if ctx.Err() != nil {
			s.skip("workflows: the time was over")
			return
		}
		b, err := k.home.read(rel(p), maxSettings)
		if err != nil {
			if why := could(p, err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		what := judgeFlow(b)
		if what == "" {
			continue
		}
		s.add(Finding{Level: Sign, Kind: "workflow", What: what, Where: p, SoWhat: "worms add such workflows to every repository that they can write",
			Do: "take it out on the default branch of the repository, and replace the secrets of the repository"})
	}
	if len(k.workflows) == maxFlows {
		s.skip("workflows beyond the first %d", maxFlows)
	}
}

var (
	flowStep   = regexp.MustCompile(`(?m)^\s*- `)
	flowAll    = regexp.MustCompile(`(?i)toJSON\(\s*secrets\s*\)`)
	flowSends  = regexp.MustCompile(`(?i)\bcurl\b|\bwget\b|Invoke-(?:WebRequest|RestMethod)|fetch\(|https?\.request`)
	flowOn     = regexp.MustCompile(`(?m)^\s*(?:-\s*|on:\s*\[?\s*)?discussion:?\s*\]?\s*$`)
	flowRuns   = regexp.MustCompile(`(?m)run:[^\n]*(?:\n[ \t]+[^\n]*)*github\.event\.(?:discussion|comment)\.body`)
	flowOnSelf = regexp.MustCompile(`runs-on:.*self-hosted`)
)

// judgeFlow says what is wrong with a workflow, "" if nothing is.
func judgeFlow(b []byte) string {
	for _, step := range flowStep.Split(string(b), -1) {
		if flowAll.MatchString(step) && flowSends.MatchString(step) {
			return "A workflow sends all secrets of its repository away"
		}
	}
	if flowOn.Match(b) && flowOnSelf.Match(b) && (flowRuns.Match(b) || bytes.Contains(b, []byte("github.event.discussion.body"))) {
		return "A workflow runs what anybody writes into a discussion, on one of your machines"
	}
	return ""
}
