package persistence

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wormbell/internal/autostart"
	"wormbell/internal/cmdline"
)

const (
	maxProjects = 200
	maxDepthDir = 3 // below the home, where projects are looked for
)

// walk goes through folders, no deeper than depth below dir, and calls visit
// with the names in each; it goes on below if that says so. Links are not
// followed: a folder is gone through under the name that it has.
func (s *scan) walk(ctx context.Context, what, dir string, depth int, visit func(dir string, names []string) bool) {
	const maxFolders, maxLooks = 4000, 40_000
	folders, looks := 0, 0
	var down func(dir string, depth int)
	down = func(dir string, depth int) {
		names, err := s.files.names(dir)
		if err != nil && len(names) == 0 || !visit(dir, names) || depth == 0 {
			return
		}
		for _, name := range names {
			if name == "node_modules" || name == ".git" || dir == s.Home && name == "Library" {
				continue
			}
			if looks++; folders >= maxFolders || looks > maxLooks || ctx.Err() != nil {
				return
			}
			p := filepath.Join(dir, name)
			if _, info, err := s.files.resolve(p); err == nil && info.IsDir() && linkFree(p) {
				folders++
				down(p, depth-1)
			}
		}
	}
	if down(dir, depth); folders >= maxFolders || looks > maxLooks {
		s.skip("%s: only %d folders of %s were gone through", what, folders, s.files.tilde(dir))
	}
}

// projects are the folders that the alert names, and those with settings of
// editors and AI tools that lie not too deep in the home.
func (s *scan) projects(ctx context.Context) []string {
	if s.folders != nil {
		return s.folders
	}
	out := []string{}
	for _, p := range s.Projects {
		out = append(out, s.files.untilde(p))
	}
	s.walk(ctx, "projects", s.Home, maxDepthDir, func(dir string, names []string) bool {
		for _, name := range []string{".vscode", ".claude", ".cursor", ".git"} {
			if dir != s.Home && slices.Contains(names, name) && !slices.Contains(out, dir) && len(out) < maxProjects {
				out = append(out, dir)
			}
		}
		return dir == s.Home || !strings.HasPrefix(filepath.Base(dir), ".")
	})
	s.folders = out
	return out
}

// lookGit finds the hooks that git runs for every repository of the user, and
// those of the alert's projects. githooks(5), git-config(1).
func lookGit(_ context.Context, s *scan) {
	for _, name := range autostart.GitSettings {
		s.gitConfig(s.files.inHome(name), 0)
	}
	for _, project := range s.Projects {
		project = s.files.untilde(project)
		s.hooks(filepath.Join(project, ".git/hooks"), nil)
		s.gitConfig(filepath.Join(project, ".git/config"), 0)
	}
}

// gitConfig reads one file of git's settings and what it includes.
func (s *scan) gitConfig(p string, depth int) {
	b, when, ok := s.open(p)
	if !ok || depth > 3 {
		return
	}
	section, n, at := "", 0, 0
	for line := range strings.Lines(string(b)) {
		n++
		from := at
		at += len(line)
		code := strings.TrimSpace(line)
		if strings.HasPrefix(code, "[") {
			name, rest, _ := strings.Cut(strings.TrimPrefix(code, "["), "]")
			section, _, _ = strings.Cut(strings.ToLower(name), " ")
			code = strings.TrimSpace(rest)
		}
		key, value, ok := strings.Cut(code, "=")
		if !ok || strings.HasPrefix(code, "#") || strings.HasPrefix(code, ";") {
			continue
		}
		key, value = section+"."+strings.ToLower(strings.TrimSpace(key)), strings.Trim(strings.TrimSpace(value), `"`)
		e := &entry{what: GitHook, path: p, part: "line " + itoa(n) + ", " + key, text: strings.TrimSpace(key + " = " + value), changed: when, file: true, starts: true,
			steps: []step{{Kind: stepLine, From: p, Old: strings.TrimRight(line, "\r\n"), At: from}}}
		switch key {
		case "include.path", "includeif.path":
			if q := s.files.find(value, filepath.Dir(p)); q != "" {
				s.gitConfig(q, depth+1)
			}
		case "init.templatedir":
			s.hooks(filepath.Join(s.folder(value, filepath.Dir(p)), "hooks"), e)
		case "core.hookspath":
			if filepath.IsAbs(value) || strings.HasPrefix(value, "~") { // else each repository's own
				s.hooks(s.folder(value, filepath.Dir(p)), e)
			}
		case "core.fsmonitor", "core.sshcommand", "core.editor", "core.pager", "diff.external", "credential.helper", "gpg.program", "sequence.editor", "core.askpass":
			s.commandLine(e, strings.TrimPrefix(value, "!"))
			e.inline = nil
			e.runs = slices.DeleteFunc(e.runs, func(q string) bool { return s.program(q).place == inSystem || s.program(q).gone })
			if len(e.runs) > 0 {
				s.add(e)
			}
		}
	}
}

func (s *scan) folder(value, dir string) string {
	value = s.files.folders().Replace(value)
	if strings.HasPrefix(value, "~/") || filepath.IsAbs(value) {
		return s.files.untilde(value)
	}
	return filepath.Join(dir, value)
}

// hooks looks at the hooks in dir. by is the setting that makes git use them
// everywhere, nil for a repository's own.
func (s *scan) hooks(dir string, by *entry) {
	for _, name := range s.list(dir) {
		if strings.HasSuffix(name, ".sample") || strings.HasPrefix(name, ".") || name == "README" {
			continue
		}
		p := filepath.Join(dir, name)
		_, info, err := s.files.resolve(p)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		e := &entry{what: GitHook, path: p, changed: linkChanged(p), starts: true, text: s.files.tilde(p), runs: []string{p}, steps: []step{{Kind: stepMove, From: p}}}
		if by != nil {
			e.text = by.text + " (" + name + ")"
			e.tell = "git runs it in every repository (" + by.part + " of " + clean(s.files.tilde(by.path)) + ")"
		}
		s.add(e)
	}
}

// lookEditors finds tasks that an editor runs when a folder is opened, and
// settings that make it run something.
func lookEditors(ctx context.Context, s *scan) {
	var files []string
	for _, project := range s.projects(ctx) {
		files = append(files, filepath.Join(project, ".vscode/tasks.json"))
	}
	for _, dir := range editorData(s.System) {
		files = append(files, s.files.inHome(dir+"/User/tasks.json"))
	}
	for _, p := range files {
		b, when, ok := s.open(p)
		if !ok {
			continue
		}
		root, err := parseJSON(b)
		if err != nil {
			s.skip("%s: %v", s.files.tilde(p), err)
			continue
		}
		tasks := root.get("tasks")
		for i := 0; tasks != nil && i < len(tasks.kids); i++ {
			t := &tasks.kids[i]
			if t.text("runOptions", "runOn") != "folderOpen" {
				continue
			}
			project := filepath.Dir(filepath.Dir(p))
			words := append([]string{t.text("command")}, t.texts("args")...)
			for _, system := range []string{"linux", "osx", "windows"} {
				if c := t.text(system, "command"); c != "" && words[0] == "" {
					words = append([]string{c}, t.texts(system, "args")...)
				}
			}
			e := s.jsonEntry(EditorTask, p, when, t, "task "+t.text("label")+", run when the folder is opened", words, project)
			if script := t.text("script"); script != "" { // "type": "npm"
				e.text = "npm run " + script
			}
			e.tell = "the editor runs it whenever the folder is opened"
		}
	}
}

// editorData are the folders of the editors that are made of VS Code.
func editorData(system string) []string {
	var out []string
	for _, name := range []string{"Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf"} {
		switch system {
		case "darwin":
			out = append(out, "Library/Application Support/"+name)
		case "windows":
			out = append(out, "AppData/Roaming/"+name)
		default:
			out = append(out, ".config/"+name)
		}
	}
	return out
}

// jsonEntry makes an entry of a command in a JSON file.
func (s *scan) jsonEntry(what, p string, when time.Time, at *node, part string, words []string, dir string) *entry {
	text := strings.TrimSpace(strings.Join(words, " "))
	text = strings.NewReplacer("${workspaceFolder}", dir, "$CLAUDE_PROJECT_DIR", dir, "${CLAUDE_PROJECT_DIR}", dir, `"$CLAUDE_PROJECT_DIR"`, dir, "${workspaceRoot}", dir).Replace(text)
	e := &entry{what: what, path: p, part: part, text: text, changed: when, starts: true, steps: []step{{Kind: stepJSON, From: p, At: at.keyFrom, Old: at.source()}}}
	if text != "" {
		e.inline = []string{text}
		for _, c := range cmdline.Commands(text) {
			e.execute(s, cmdline.Split(c, s.System == "windows"), dir)
		}
	}
	s.add(e)
	return e
}

// lookAITools finds hooks of AI tools, and servers that they start: what runs
// whenever somebody works with them.
func lookAITools(ctx context.Context, s *scan) {
	type file struct{ path, dir string }
	var files []file
	for _, name := range autostart.AITools {
		files = append(files, file{s.files.inHome(name), s.Home})
	}
	for _, project := range s.projects(ctx) {
		for _, name := range autostart.AIProjects {
			files = append(files, file{filepath.Join(project, name), project})
		}
	}
	for _, f := range files {
		if s.files.guarded(f.path) {
			continue // it holds credentials; the agent says who writes it
		}
		b, when, ok := s.open(f.path)
		if !ok {
			continue
		}
		root, err := parseJSON(b)
		if err != nil {
			s.skip("%s: %v", s.files.tilde(f.path), err)
			continue
		}
		s.aiHooks(f.path, when, root, f.dir)
		for _, key := range []string{"mcpServers", "servers", "context_servers", "mcp"} {
			s.aiServers(f.path, when, root.get(key), f.dir)
		}
		if projects := root.get("projects"); projects != nil && filepath.Base(f.path) == ".claude.json" {
			for i := range projects.kids {
				s.aiServers(f.path, when, projects.kids[i].get("mcpServers"), s.files.untilde(projects.kids[i].key))
			}
		}
		for _, key := range []string{"apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "otelHeadersHelper"} {
			if n := root.get(key); n != nil && n.str != "" {
				s.jsonEntry(AIHook, f.path, when, n, key, []string{n.str}, f.dir).file = true
			}
		}
		if n := root.get("statusLine", "command"); n != nil && n.str != "" {
			s.jsonEntry(AIHook, f.path, when, root.get("statusLine"), "statusLine", []string{n.str}, f.dir).file = true
		}
	}
}

// aiHooks finds commands below "hooks", however deep the tool nests them.
func (s *scan) aiHooks(p string, when time.Time, root *node, dir string) {
	hooks := root.get("hooks")
	if hooks == nil {
		return
	}
	for i := range hooks.kids {
		event := hooks.kids[i].key
		var walk func(n *node, depth int)
		walk = func(n *node, depth int) {
			if n.object {
				for _, key := range []string{"command", "bash", "powershell"} {
					if c := n.text(key); c != "" {
						e := s.jsonEntry(AIHook, p, when, n, "hooks "+event, append([]string{c}, n.texts("args")...), dir)
						e.file = true // the file holds other settings, which change often
						e.tell = "the AI tool runs it at " + clean(event)
						return
					}
				}
			}
			for i := range n.kids {
				if depth < 6 {
					walk(&n.kids[i], depth+1)
				}
			}
		}
		walk(&hooks.kids[i], 0)
	}
}

// aiServers finds the programs that an AI tool starts as servers (MCP).
func (s *scan) aiServers(p string, when time.Time, servers *node, dir string) {
	if servers == nil || !servers.object {
		return
	}
	for i := range servers.kids {
		n := &servers.kids[i]
		words := append([]string{n.text("command")}, n.texts("args")...)
		if words[0] == "" {
			words = append([]string{n.text("command", "path")}, n.texts("command", "args")...)
		}
		if words[0] == "" {
			continue // on another machine
		}
		e := s.jsonEntry(AIHook, p, when, n, "server "+n.key, words, dir)
		e.file = true
	}
}
