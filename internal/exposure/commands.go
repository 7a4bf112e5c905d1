package exposure

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Command is a command line that takes back something that was published, to
// be copied into a shell.
type Command struct {
	Does      string `json:"does"`      // "deprecate" or "unpublish"
	What      string `json:"what"`      // name@version
	Confirmed bool   `json:"confirmed"` // a registry says that it has this version; else it was an attempt
	Line      string `json:"line"`
}

// Commands returns what takes back the versions that are known to have been
// published, or that something tried to publish: for each, one to warn of it
// and one to take it away. What no registry would take is left out: such a name
// is there to do harm in a shell. What a demonstration published is on no
// registry but its own, which has ended.
func (x Exposure) Commands() (all []Command) {
	if x.Demo {
		return nil
	}
	seen := map[string]bool{}
	add := func(name, version, registry string, day time.Time, confirmed bool) {
		what := name + "@" + version
		if !nameForm.MatchString(name) || !versionForm.MatchString(version) || len(what) > 300 || seen[what+" "+registry] {
			return
		}
		seen[what+" "+registry] = true
		flag := ""
		if r := plainURL(registry); r != "" {
			flag = " --registry " + quote(r)
		}
		warning := fmt.Sprintf("Published by malware on %s. Do not install.", day.UTC().Format("2 January 2006"))
		all = append(all, Command{"deprecate", what, confirmed, "npm deprecate " + quote(what) + " " + quote(warning) + flag},
			Command{"unpublish", what, confirmed, "npm unpublish " + quote(what) + flag})
	}
	for _, v := range x.Versions {
		if v.Earlier {
			continue
		}
		add(v.Name, v.Version, v.Registry, v.Time, true)
		seen[v.String()+" "] = true // an attempt that named no registry is the same one
	}
	for _, p := range x.Published {
		if p.Package != nil {
			add(p.Package.Name, p.Package.Version, p.Registry, p.Time, false)
		}
	}
	return all
}

var (
	// nameForm is a name that a registry takes, or took once: with capital
	// letters. See validate-npm-package-name. None begins with a hyphen, which
	// would make it a flag.
	nameForm = regexp.MustCompile(`^(@[A-Za-z0-9~][A-Za-z0-9._~-]*/)?[A-Za-z0-9~_][A-Za-z0-9._~-]*$`)
	// versionForm is a version, semver.org.
	versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// plainURL returns a registry's URL without a user and a password, "" if it is none.
func plainURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(s) > 500 {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// quote makes s one word of a POSIX shell, whatever is in it; PowerShell reads
// the words that we make in the same way. What a terminal would act on is
// spelled out first: a paste must not run anything.
func quote(s string) string { return "'" + strings.ReplaceAll(Plain(s), "'", `'\''`) + "'" }
