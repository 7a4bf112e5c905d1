package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wormbell/internal/secret"
)

// What the successor of an npm token may do is what the registry says of the old
// one. Once that is dead, the registry says nothing of it any more; then it is,
// in this order:
//
//  1. what the registry said earlier in this run;
//  2. what was written down in an earlier run, if a person says that it is true:
//     the note lies where every program of the user's can write, a worm too. What
//     is dangerous without being needed is left out of it in any case;
//  3. the least that is of use: to read, for a week. With nobody to ask it is
//     always this: a token that can publish must not come of a file alone, and
//     one that can read keeps installs going until its owner makes another.

const (
	// npmNarrowLife is how long a token lives of whose predecessor nothing is
	// known; what the public registry gives a new one by itself. Days are whole
	// ones when the request is made, so there is some time to spare.
	npmNarrowLife = 7*npmDay + time.Hour
	// npmNotedLife is how long one may live that is like what a note says.
	npmNotedLife = 30*npmDay + time.Hour
)

const npmSeenPrefix = "npm seen "

func (s npmSite) seenKey(t Token) string { return npmSeenPrefix + s.base + " " + t.Name }

// rememberGrants keeps for this run what the registry says that a token may do.
func (s npmSite) rememberGrants(t Token, owner string, was npmListed) npmGrants {
	was.Token = "" // parts of it
	g := npmGrants{Owner: owner, At: s.m.Now().UTC(), Was: was}
	if b, err := json.Marshal(g); err == nil {
		s.m.Memory.Set(s.seenKey(t), secret.Of(string(b)))
	}
	return g
}

// seenGrants returns what the registry said in this run.
func (s npmSite) seenGrants(t Token) (g npmGrants, ok bool) {
	b := s.m.Memory.Get(s.seenKey(t))
	return g, !b.Empty() && json.Unmarshal([]byte(b.Reveal()), &g) == nil
}

// keepGrants remembers, and writes down, what a token may do before it goes from
// the list: its successor may be made after it.
func (s npmSite) keepGrants(t Token, owner string, was npmListed) {
	if err := npmKeep(s.m, npmGrantsFile, t.Name, s.rememberGrants(t, owner, was)); err != nil {
		s.m.Log.Warn("what the token could do was not written down", "err", err)
	}
}

// notedGrants returns what was written down of a token that is dead, less what
// nobody should believe a file.
func (s npmSite) notedGrants(t Token, owner string) (was npmListed, ok bool) {
	var g npmGrants
	ok, err := npmRecall(s.m, npmGrantsFile, t.Name, &g)
	if age := s.m.Now().Sub(g.At); err != nil || !ok || g.Owner != owner || age > npmDay || age < 0 {
		return npmListed{}, false
	}
	was = g.Was
	was.Key, was.Name, was.Token = "", "", "" // another token's key would get that one revoked
	was.Bypass = false
	was.Expiry = npmSooner(was.expires(), s.m.Now().Add(npmNotedLife))
	return was, true
}

// npmSooner returns the earlier of two times as registries write it; a zero end
// is never.
func npmSooner(end, latest time.Time) string {
	if end.IsZero() || end.After(latest) {
		end = latest
	}
	return end.UTC().Format(time.RFC3339)
}

// npmNarrow is the least that is of use. flat: for a registry whose tokens are
// not limited to packages.
func npmNarrow(flat bool, now time.Time) npmListed {
	l := npmListed{ReadOnly: true}
	if !flat {
		l.Permissions = []npmGrant{{Name: "package", Action: "read"}}
		l.Scopes = []npmGrant{{Name: "*", Type: "package"}}
		l.Expiry = now.Add(npmNarrowLife).UTC().Format(time.RFC3339)
	}
	return l
}

// rightsOfDead returns what the successor of a dead token shall be allowed.
func (s npmSite) rightsOfDead(ctx context.Context, old Token, owner string, flat bool) (npmListed, error) {
	if g, ok := s.seenGrants(old); ok && g.Owner == owner {
		return g.Was, nil
	}
	now := s.m.Now()
	narrow := npmNarrow(flat, now)
	const gone = "The old token is dead, and %s does not say any more what it could do."
	noted, ok := s.notedGrants(old, owner)
	if ok && !noted.writes() && !slices.ContainsFunc(noted.Scopes, func(g npmGrant) bool { return g.Type == "org" }) {
		// It asks for no more than what is given anyway.
		if !flat {
			noted.Expiry = npmSooner(noted.expires(), now.Add(npmNarrowLife))
		}
		return noted, nil
	}
	question := fmt.Sprintf(gone+" Make one that may only: %s? If not, you make it on its page.", s.host(), narrow.rights(now))
	if ok {
		question = fmt.Sprintf(gone+" A note on this disk, which any program of yours could have changed, says that it could: %s. Is that right, and may the new one? If not, it may only: %s.",
			s.host(), noted.rights(now), narrow.rights(now))
	}
	yes, err := s.m.Person.Confirm(ctx, question)
	switch {
	case ctx.Err() != nil:
		return npmListed{}, ctx.Err()
	case errors.Is(err, ErrNobody):
		s.m.Person.Say(fmt.Sprintf(gone+" Nobody is here to ask: the new one may only: %s. Make another on its page when you need more.", s.host(), narrow.rights(now)))
		return narrow, nil
	case err != nil:
		return npmListed{}, err
	case yes && ok:
		return noted, nil
	case yes || ok:
		return narrow, nil
	}
	return npmListed{}, fmt.Errorf("%w: the old token is dead, so what it was allowed to do cannot be told", ErrNotPossible)
}

// rights says what a token that is made like l may, for a person to judge.
func (l npmListed) rights(now time.Time) string {
	var out []string
	if len(l.Scopes) == 0 {
		out = append(out, ifs(l.writes(), "read and publish all that its owner may", "read all that its owner may"))
	}
	of := map[string][]string{}
	for _, g := range l.Scopes {
		if npmIsName(g.Name) {
			what := ifs(g.Type == "org", "org", "package")
			of[what] = append(of[what], ifs(g.Name == "*", "all packages", g.Name))
		}
	}
	for _, what := range []string{"package", "org"} {
		p := l.permission(what)
		if len(of[what]) == 0 || p == "" {
			continue
		}
		verb := map[string]string{"read-write": "read and publish ", "read-write-stage-only": "read, and stage versions of, "}[p]
		if what == "org" {
			verb = map[string]string{"read-write": "change the organisation "}[p]
		}
		if verb == "" {
			verb = ifs(what == "org", "read the organisation ", "read ")
		}
		out = append(out, verb+strings.Join(of[what], ", "))
	}
	if l.Bypass {
		out = append(out, "do so without a second factor")
	}
	if len(l.CIDR) > 0 {
		out = append(out, "be used from "+strings.Join(slices.DeleteFunc(slices.Clone(l.CIDR), func(c string) bool { return !npmIsName(c) }), ", ")+" only")
	}
	if len(l.Scopes) > 0 {
		out = append(out, fmt.Sprintf("live for %d days", l.days(now)))
	}
	return strings.Join(out, "; ")
}

// days is how long a token that is made like l lives.
func (l npmListed) days(now time.Time) int {
	if end := l.expires(); !end.IsZero() {
		return min(npmLongest, max(1, int(end.Sub(now)/npmDay)))
	}
	return npmLongest
}
