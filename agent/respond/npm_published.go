package respond

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"wormbell/internal/secret"
)

// Published is a version of a package that a registry has.
type Published struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Registry string    `json:"registry"` // base URL
	Time     time.Time `json:"time"`     // when it was published, by the registry's clock
	By       string    `json:"by"`       // the account, as the registry says; "" if it does not
}

const (
	// maxPublishedPackages is how many of an owner's packages are looked into:
	// a request each.
	maxPublishedPackages = 60
	// maxPublished is how many versions are told. CanisterWorm published 28, the
	// largest waves hundreds from one account.
	maxPublished = 500
	// maxPackument is how long a package's document may be, in bytes: those of
	// packages with thousands of versions have some megabytes.
	maxPackument = 32 << 20
)

// PublishedSince returns the versions that the owner of t has published since
// then, as the registry says, oldest first. Other kinds than npm have none. It
// asks with t itself, which must be alive, for the packages that the registry
// says are the owner's, and for names besides. An error comes with what was
// found despite it.
func PublishedSince(ctx context.Context, m *Machine, t Token, since time.Time, names ...string) ([]Published, error) {
	if t.Kind != npmKind().ID {
		return nil, nil
	}
	s, err := npmAt(m, t)
	if err != nil {
		return nil, fmt.Errorf("ask what was published: %w", err)
	}
	auth := npmAuthOf(t)
	id, err := s.whoami(ctx, auth)
	if err != nil {
		return nil, err
	}
	if id.Answer != Alive {
		return nil, fmt.Errorf("ask what was published: the token in %s is not taken by %s: %s", where(t), s.host(), id.Answer)
	}
	theirs, err := s.maintained(ctx, auth, id.Owner, since)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var all []Published
	var left int
	names = append(slices.Clone(names), theirs...)
	slices.Sort(names)
	for i, name := range slices.Compact(names) {
		if i >= maxPublishedPackages || len(all) >= maxPublished {
			left++
			continue
		}
		versions, err := s.publishedOf(ctx, t, name, id.Owner, since)
		if ctx.Err() != nil {
			return all, ctx.Err()
		} else if err != nil {
			left++
			continue
		}
		all = append(all, versions...)
	}
	slices.SortStableFunc(all, func(a, b Published) int { return a.Time.Compare(b.Time) })
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("ask what was published: %d packages of %s could not be looked into", left, id.Owner))
	}
	return all, err
}

// maintained returns the names of the owner's packages of which the registry
// does not say that their last version is older than since.
func (s npmSite) maintained(ctx context.Context, auth secret.Value, owner string, since time.Time) ([]string, error) {
	const what = "ask for the owner's packages"
	q := url.Values{"text": {"maintainer:" + owner}, "size": {fmt.Sprint(maxReach)}}
	r, err := s.send(ctx, auth, npmRequest{method: http.MethodGet, path: "/-/v1/search?" + q.Encode(), what: what, again: true, most: maxPackument})
	if err != nil {
		return nil, err
	} else if r.Status != http.StatusOK {
		return nil, r.Refused(what, "")
	}
	var found struct {
		Objects []struct {
			Package struct {
				Name string
				Date time.Time // of the last version, if the registry says
			}
		}
	}
	if err := r.Into(&found); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var names []string
	for _, o := range found.Objects {
		if npmIsName(o.Package.Name) && (o.Package.Date.IsZero() || !o.Package.Date.Before(since)) {
			names = append(names, o.Package.Name)
		}
	}
	return names, nil
}

// publishedOf returns the versions of one package that owner published since.
func (s npmSite) publishedOf(ctx context.Context, t Token, name, owner string, since time.Time) ([]Published, error) {
	r, err := s.send(ctx, npmAuthOf(t), npmRequest{method: http.MethodGet, path: "/" + url.PathEscape(name), what: "ask for the versions of a package", again: true, most: maxPackument})
	if err != nil {
		return nil, err
	} else if r.Status == http.StatusNotFound {
		return nil, nil // nothing of that name was published
	} else if r.Status != http.StatusOK {
		return nil, r.Refused("ask for the versions of a package", "")
	}
	var doc struct {
		Time     map[string]time.Time
		Versions map[string]struct {
			User struct {
				Name string
			} `json:"_npmUser"`
		}
	}
	if err := r.Into(&doc); err != nil {
		return nil, err
	}
	var out []Published
	for version, v := range doc.Versions {
		at, known := doc.Time[version]
		if !known || at.Before(since) || v.User.Name != "" && v.User.Name != owner || !npmIsName(version) {
			continue
		}
		out = append(out, Published{Name: name, Version: version, Registry: t.Site, Time: at.UTC(), By: v.User.Name})
	}
	return out, nil
}
