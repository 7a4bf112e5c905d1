package checkup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"wormbell/internal/plain"
)

// traces looks for what worms leave behind, by what it is and does: names change
// with every wave.
func (k *checkup) traces(ctx context.Context, s *Section) {
	for _, why := range k.stopped {
		s.skip("%s", why)
	}
	k.logs(ctx, s)
	k.loot(s)
	k.temporary(ctx, s)
	packages := k.packages(ctx, s)
	k.kits(ctx, s)
	k.flowsTold(ctx, s)
	s.Looked = fmt.Sprintf("%s, %s with install scripts, npm's logs, %s, folders for temporary files", plural(len(k.projects), "project"), plural(packages, "package"), plural(len(k.workflows), "workflow"))
}

const lookAway = "do not open or run it; look at it from another machine"

// short is a path of this machine as a person reads it.
func (k *checkup) short(p string) string {
	if rest, ok := strings.CutPrefix(p, k.home.dir+"/"); ok {
		return "~/" + rest
	}
	return p
}

// loot looks for folders in which worms keep their tools and what they need to
// start again: a token beside code to run once it is refused, or a scanner for secrets.
func (k *checkup) loot(s *Section) {
	var closed, many several
	defer func() {
		for _, why := range []string{closed.says("it could not be opened", "%d hidden folders could not be opened"), many.says(errMany.Error(), "%d hidden folders hold more names than were looked at")} {
			if why != "" {
				s.skip("%s", why)
			}
		}
	}()
	for _, parent := range []string{".config", ".local/share", ".local/state", ".cache", "."} {
		names, more, err := k.home.names(parent, maxInFolder)
		if err != nil {
			if why := could(tilde(parent), err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		if more {
			s.skip("%s", could(tilde(parent), errMany))
		}
		for _, name := range names {
			dir, ok := strings.CutSuffix(name, "/")
			if !ok || parent == "." && !strings.HasPrefix(dir, ".") {
				continue
			}
			at := path.Join(parent, dir)
			inside, more, err := k.home.names(at, maxInFolder)
			switch {
			case absent(err):
				continue
			case err != nil:
				closed.add(tilde(at))
				continue
			case more:
				many.add(tilde(at))
			}
			has := func(name string) bool { return slices.Contains(inside, name) }
			switch {
			case has("token") && (has("handler") || has("started_at")):
				s.add(Finding{Level: Sign, Kind: "dead-man", What: "A token lies beside a handler for when it is refused", Where: tilde(at),
					SoWhat: "some worms watch a stolen token so, and wipe the home folder once it is revoked", Do: lookAway + "; revoke no token before what watches it is gone"})
			case strings.HasPrefix(dir, ".") || parent == ".cache":
				for _, tool := range inside {
					if t := strings.TrimSuffix(strings.TrimSuffix(tool, "/"), ".exe"); t == "trufflehog" || has("extract/") && strings.HasPrefix(t, "trufflehog") {
						f := Finding{Level: Sign, Kind: "loot", What: "A scanner for secrets lies in a hidden folder", Where: tilde(path.Join(at, tool)),
							SoWhat: "worms download one to look for tokens in the whole home", Do: "if you did not put it there: " + lookAway}
						if len(inside) > 5 && !has("extract/") {
							f.Level, f.SoWhat = Risk, f.SoWhat+"; here it lies among other programs, as where a person keeps theirs"
						}
						s.add(f)
					}
				}
			}
		}
	}
}

// What is looked at of packages.
const (
	maxLocks    = 512 << 20 // bytes of npm's hidden lockfiles
	maxPackages = 20_000    // whose manifests are read where there is none
	maxScripts  = 20_000    // packages with install scripts
	maxKits     = 200       // scripts that lie directly in a project
)

// packages looks into the packages with install scripts that are installed in
// the projects, and returns how many there were.
func (k *checkup) packages(ctx context.Context, s *Section) int {
	type installed struct{ dir string }
	var hooked []installed
	read, manifests := int64(0), 0
	for _, p := range k.projects {
		if ctx.Err() != nil || read > maxLocks || manifests >= maxPackages || len(hooked) >= maxScripts {
			s.skip("packages of some projects: there are too many")
			break
		}
		if !p.has("node_modules/") {
			continue
		}
		b, more, err := k.home.start(p.at("node_modules/.package-lock.json"), 32<<20)
		switch {
		case err == nil && !more && bytes.Contains(b, lockPackages):
			read += int64(len(b))
			for _, at := range withScripts(b) {
				hooked = append(hooked, installed{p.at(at)})
			}
			continue
		case err == nil && !more: // not as npm writes it: whoever wrote it need not be believed
			read += int64(len(b))
		case err == nil:
			s.skip("%s: it is larger than such files are", tilde(p.at("node_modules/.package-lock.json")))
		case !absent(err):
			s.skip("%s", could(tilde(p.at("node_modules/.package-lock.json")), err))
		}
		for _, at := range k.installed(s, p.at("node_modules"), maxPackages-manifests) {
			manifests++
			hooked = append(hooked, installed{at})
		}
	}
	seen, n := map[string]bool{}, 0
	for _, i := range hooked {
		if ctx.Err() != nil {
			s.skip("install scripts of some packages: the time was over")
			break
		}
		m, err := k.manifest(path.Join(i.dir, "package.json"))
		if err != nil {
			if why := could(tilde(path.Join(i.dir, "package.json")), err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		if len(m.hooks()) == 0 {
			continue
		}
		n++
		if f, ok := k.judgePackage(s, i.dir, m); ok && !seen[f.What] {
			seen[f.What] = true
			s.add(f)
		}
	}
	return n
}

// installed lists the packages that lie directly in a node_modules folder,
// where a client keeps no list that says which have scripts.
func (k *checkup) installed(s *Section, dir string, most int) (out []string) {
	list := func(dir string) []string {
		names, more, err := k.home.names(dir, maxInFolder)
		switch {
		case err != nil && !absent(err):
			s.skip("%s", could(tilde(dir), err))
		case more:
			s.skip("%s", could(tilde(dir), errMany))
		}
		return names
	}
	for _, name := range list(dir) {
		name = strings.TrimSuffix(name, "/")
		switch {
		case len(out) > most:
			s.skip("%s: some of its packages: there are too many", tilde(dir))
			return out
		case strings.HasPrefix(name, "."):
		case strings.HasPrefix(name, "@"):
			for _, inner := range list(path.Join(dir, name)) {
				out = append(out, path.Join(dir, name, strings.TrimSuffix(inner, "/")))
			}
		default:
			out = append(out, path.Join(dir, name))
		}
	}
	return out
}

// lockPackages is how the list begins in npm's hidden lockfile.
var lockPackages = []byte(`"packages": {`)

var lockHook = []byte(`"hasInstallScript": true`)

// lockEntry returns the folder of the package that a line of npm's lockfile
// begins.
func lockEntry(line []byte) (string, bool) {
	name, ok := bytes.CutPrefix(bytes.TrimLeft(line, " \t"), []byte(`"`))
	if !ok || !bytes.HasPrefix(name, []byte("node_modules/")) {
		return "", false
	}
	name, ok = bytes.CutSuffix(bytes.TrimRight(name, "\r"), []byte(`": {`))
	return string(name), ok && len(name) < 400 && !bytes.ContainsAny(name, `"\`)
}

// withScripts returns the folders, relative to the project, of the packages that
// npm's hidden lockfile says have install scripts.
func withScripts(b []byte) (out []string) {
	if !bytes.Contains(b, lockHook) {
		return nil
	}
	at := ""
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		if bytes.Contains(line, lockHook) && at != "" {
			if !strings.Contains(at, "..") {
				out = append(out, at)
			}
			at = ""
		} else if name, ok := lockEntry(line); ok {
			at = name
		}
	}
	return out
}

// manifest is what matters here of a package.json.
type manifest struct {
	Name    string
	Version string
	Scripts map[string]any
}

func (k *checkup) manifest(rel string) (m manifest, err error) {
	b, err := k.home.read(rel, maxSettings)
	if err != nil {
		return m, err
	}
	if json.Unmarshal(b, &m) != nil {
		return m, errUnlike // npm does not install it either
	}
	return m, nil
}

// hooks are the commands that installing it runs.
func (m manifest) hooks() (out []string) {
	for _, name := range []string{"preinstall", "install", "postinstall"} {
		if s, ok := m.Scripts[name].(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

var namedFile = regexp.MustCompile(`[A-Za-z0-9_@./-]{1,120}\.(?:[cm]?js|sh|py|ts)\b`)

// judgePackage weighs what installing a package runs: the command, the files
// that it names, and those that they name.
func (k *checkup) judgePackage(s *Section, dir string, m manifest) (Finding, bool) {
	var d deeds
	names := []string{}
	for _, command := range m.hooks() {
		d.add([]byte(command))
		names = append(names, namedFile.FindAllString(command, 4)...)
	}
	known, hidden := "", false
	for i := 0; i < len(names) && i < 8; i++ {
		at := path.Join(dir, path.Clean("/"+names[i]))
		b, more, err := k.home.start(at, maxScript)
		if err != nil {
			if why := could(tilde(at), err); why != "" {
				s.skip("%s", why)
			}
			continue
		}
		if more {
			s.skip("%s: what stands behind its first %d MiB", tilde(at), maxScript>>20)
		}
		d.add(b)
		sum := sha256.Sum256(b)
		if is := payloads[hex.EncodeToString(sum[:])]; is != "" {
			known = is
		}
		hidden = hidden || isObfuscated(b)
		if len(b) < 256<<10 {
			for _, name := range namedFile.FindAllString(string(b), 20) {
				if !slices.Contains(names, name) && len(names) < 8 {
					names = append(names, name)
				}
			}
		}
	}
	who := plain.Cut(m.Name+"@"+m.Version, 120)
	f := Finding{Kind: "package", Where: tilde(dir), Do: "do not start anything in this project; remove its node_modules once what starts by itself was looked at"}
	switch does := d.list(); {
	case known != "":
		f.Level, f.What, f.SoWhat = Sign, "Installing "+who+" runs the payload of "+known, "it is the same file, byte for byte"
	case d.worm():
		f.Level, f.What, f.SoWhat = Sign, "Installing "+who+" runs what a worm does", strings.Join(does, "; ")
	case hidden && len(does) > 0:
		f.Level, f.What, f.SoWhat = Sign, "Installing "+who+" runs hidden code", "its install script is made unreadable; "+strings.Join(does, "; ")
	case hidden:
		f.Level, f.What, f.SoWhat = Risk, "Installing "+who+" runs hidden code", "its install script is made unreadable"
	case len(does) > 1:
		f.Level, f.What, f.SoWhat = Risk, "Installing "+who+" does what few packages need", strings.Join(does, "; ")
		f.Do = "look at its install script before you install it again"
	default:
		return f, false
	}
	return f, true
}

// isObfuscated reports whether a script is full of the names that obfuscators
// give; minifiers give other ones.
func isObfuscated(b []byte) bool {
	return bytes.Contains(b, []byte("_0x")) && len(obfuscated.FindAll(b[:min(len(b), 1<<20)], 200)) == 200
}

var obfuscated = regexp.MustCompile(`\b_0x[0-9a-f]{4,8}\b`)

// payloads are worms' files by their SHA-256, as vendors and incident archives
// give it.
var payloads = map[string]string{
	"46faab8ab153fae6e80e7cca38eab363075bb524edd79e42269217a083628f09": "Shai-Hulud (September 2025)",
	"de0e25a3e6c1e1e5998b306b7141b3dc4c0088da9d7bb47c1c00c91e6e4f85d6": "Shai-Hulud (September 2025)",
	"81d2a004a1bca6ef87a1caf7d0e0b355ad1764238e40ff6d1b1cb77ad4f595c3": "Shai-Hulud (September 2025)",
	"83a650ce44b2a9854802a7fb4c202877815274c129af49e6c2d1d5d5d55c501e": "Shai-Hulud (September 2025)",
	"4b2399646573bb737c4969563303d8ee2e9ddbd1b271f1ca9e35ea78062538db": "Shai-Hulud (September 2025)",
	"dc67467a39b70d1cd4c1f7f7a459b35058163592f4a9e8fb4dffcbba98ef210c": "Shai-Hulud (September 2025)",
	"b74caeaa75e077c99f7d44f46daaf9796a3be43ecf24f2a1fd381844669da777": "Shai-Hulud (September 2025)",
	"a3894003ad1d293ba96d77881ccd2071446dc3f65f434669b49b3da92421901a": "Shai-Hulud 2.0 (November 2025)",
	"62ee164b9b306250c1172583f138c9614139264f889fa99614903c12755468d0": "Shai-Hulud 2.0 (November 2025)",
	"f099c5d9ec417d4445a0328ac0ada9cde79fc37410914103ae9c609cbc0ee068": "Shai-Hulud 2.0 (November 2025)",
	"cbb9bc5a8496243e02f3cc080efbe3e4a1430ba0671f2e43a202bf45b05479cd": "Shai-Hulud 2.0 (November 2025)",
	"a68dd1e6a6e35ec3771e1f94fe796f55dfe65a2b94560516ff4ac189390dfa1c": "the AntV wave (May 2026)",
	"e37e3ddeeaaa9e0c4fdbcb829b4895a6521031c80053fc436625b61e6ee5b1a6": "the AntV wave, used again (September 2026)",
	"54dc7ea54a1317cca0e890a2770630cf7fa6c97813e0cb9d2caa93012b350668": "the keyv wave (August 2026)",
	"25a0735d0db7dc40e5d45ce42d9c106067e6a66e184d967cfecfab17c3bcb5ef": "the tensorlake wave (October 2026)",
	"b50a00900399ba99fb6ce1fc151519cb99d44320ef2a631f2237e1aea0ad6fec": "the tensorlake wave (October 2026)",
}

// deeds are what a text shows that it does.
type deeds struct {
	stores, tools, spreads, sends, stays, wipes int
}

// deed is one word in a text that tells of a deed.
type deed struct {
	text string
	of   func(*deeds) *int
}

var deedList = []deed{
	{"_authToken", func(d *deeds) *int { return &d.stores }}, {".npmrc", func(d *deeds) *int { return &d.stores }}, {"NPM_TOKEN", func(d *deeds) *int { return &d.stores }},
	{"gh auth token", func(d *deeds) *int { return &d.stores }}, {"GITHUB_TOKEN", func(d *deeds) *int { return &d.stores }}, {".aws/credentials", func(d *deeds) *int { return &d.stores }},
	{"application_default_credentials", func(d *deeds) *int { return &d.stores }}, {"169.254.169.254", func(d *deeds) *int { return &d.stores }}, {".git-credentials", func(d *deeds) *int { return &d.stores }},
	{"trufflehog", func(d *deeds) *int { return &d.tools }}, {"bun.sh/install", func(d *deeds) *int { return &d.tools }}, {"oven-sh/bun/releases", func(d *deeds) *int { return &d.tools }},
	{"npm publish", func(d *deeds) *int { return &d.spreads }}, {"/-/whoami", func(d *deeds) *int { return &d.spreads }}, {"maintainer:", func(d *deeds) *int { return &d.spreads }},
	{"/user/repos", func(d *deeds) *int { return &d.sends }}, {"webhook.site", func(d *deeds) *int { return &d.sends }}, {"/credentials/revoke", func(d *deeds) *int { return &d.sends }},
	{".config/systemd/user", func(d *deeds) *int { return &d.stays }}, {"Library/LaunchAgents", func(d *deeds) *int { return &d.stays }}, {"enable-linger", func(d *deeds) *int { return &d.stays }},
	{"SessionStart", func(d *deeds) *int { return &d.stays }}, {"folderOpen", func(d *deeds) *int { return &d.stays }}, {"actions-runner", func(d *deeds) *int { return &d.stays }},
	{"shred -", func(d *deeds) *int { return &d.wipes }}, {"rm -rf ~", func(d *deeds) *int { return &d.wipes }}, {`rm -rf "$HOME"`, func(d *deeds) *int { return &d.wipes }}, {"cipher /W:", func(d *deeds) *int { return &d.wipes }},
}

func (d *deeds) add(b []byte) {
	for _, w := range deedList {
		if bytes.Contains(b, []byte(w.text)) {
			*w.of(d)++
		}
	}
}

// list says which deeds were shown. One credential is what many an honest
// script needs: only several are a deed.
func (d *deeds) list() (out []string) {
	for _, w := range []struct {
		shown bool
		words string
	}{
		{d.stores > 1, "it looks for tokens in several places"}, {d.tools > 0, "it fetches a tool that worms use"}, {d.spreads > 0, "it publishes packages"},
		{d.sends > 0, "it sends data to where anybody can read it"}, {d.stays > 0, "it makes itself start again"}, {d.wipes > 0, "it deletes the home folder"},
	} {
		if w.shown {
			out = append(out, w.words)
		}
	}
	return out
}

// worm reports whether the deeds are a worm's: three of them, and one is taking
// tokens or publishing.
func (d *deeds) worm() bool { return len(d.list()) >= 3 && (d.stores > 1 || d.spreads > 0) }
