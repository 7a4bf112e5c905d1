// Package registry is a small npm registry on loopback, in memory: enough for
// the real npm 11 to publish, install, view, log who it is and move dist-tags.
//
// The demonstration and the end-to-end tests publish to it, so that no worm's
// replay ever needs the network. It listens on 127.0.0.1 only, keeps nothing on
// disk, writes no log, and knows nothing of agents or alerts.
package registry

import (
	"context"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds on what a client may send and what is kept. A replay publishes a few
// kilobytes; the bounds are there so that a test or a script that runs away
// meets an error and not the machine's memory.
const (
	maxBody  = 32 << 20  // bytes of one publish
	maxTotal = 256 << 20 // bytes of all tarballs
)

// Server is a registry. All its methods are safe to call from several
// goroutines; Close must be called once.
type Server struct {
	URL  string // "http://127.0.0.1:PORT", without a slash at the end
	Host string // "127.0.0.1:PORT", as it stands in an .npmrc

	http *http.Server
	done chan struct{} // closed when the serving goroutine has ended

	mu        sync.Mutex // guards all below; nothing slow under it
	token     string
	user      string
	may       May          // nil: by token and user
	rest      http.Handler // nil: nothing
	fail      int          // status that every publish is answered with; 0 for none
	packages  map[string]*pkg
	published []Publication
	refused   []Publication
	held      int // bytes of tarballs
}

// Publication is one version that a client published, or tried to.
type Publication struct {
	Name    string
	Version string
	Time    time.Time // UTC, by this machine's clock
}

// pkg is one package with all its versions.
type pkg struct {
	tags     map[string]string
	versions map[string]*version
	created  time.Time
	modified time.Time
}

// version is one published version.
type version struct {
	manifest map[string]any
	tarball  []byte
	time     time.Time
}

// New starts a registry on a free port of 127.0.0.1.
func New() (*Server, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	s := &Server{
		Host:     l.Addr().String(),
		URL:      "http://" + l.Addr().String(),
		done:     make(chan struct{}),
		user:     "demo",
		packages: map[string]*pkg{},
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
	}
	go func() { // serves until Close
		defer close(s.done)
		_ = s.http.Serve(l) // always http.ErrServerClosed after Close
	}()
	return s, nil
}

// Close ends every connection and waits for the server to stop.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// RequireToken makes publishing, dist-tags and whoami ask for this bearer
// token, which belongs to user. "" asks for none.
func (s *Server) RequireToken(token, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.user = token, user
}

// May says whose request r is, and whether it may read or write the package,
// which is "" for whoami. It answers a request that may not itself.
type May func(w http.ResponseWriter, r *http.Request, pkg string, write bool) (user string, ok bool)

// Guard leaves it to may, instead of RequireToken's token, who may publish, and
// to rest what else is asked under /-/. It is called before the first request.
func (s *Server) Guard(may May, rest http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.may, s.rest = may, rest
}

// FailPublishes answers every publish from now on with this HTTP status (403,
// 409, 500). 0 accepts them again.
func (s *Server) FailPublishes(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = status
}

// Published returns what clients published, oldest first; not what Seed put there.
func (s *Server) Published() []Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.published)
}

// Refused returns the publishes that were refused, oldest first.
func (s *Server) Refused() []Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, err := segments(r.URL.EscapedPath())
	if err != nil {
		answer(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	if len(path) > 0 && path[0] == "-" {
		s.serveMeta(w, r, path[1:])
		return
	}
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case len(path) == 1 && r.Method == http.MethodPut:
		s.publish(w, r, path[0])
	case len(path) == 1 && read:
		s.packument(w, path[0])
	case len(path) == 2 && read:
		s.manifest(w, path[0], path[1])
	case len(path) == 3 && path[1] == "-" && read:
		s.tarball(w, path[0], path[2])
	default:
		answer(w, http.StatusNotFound, problem("not_found"))
	}
}

// serveMeta answers what lies under /-/.
func (s *Server) serveMeta(w http.ResponseWriter, r *http.Request, path []string) {
	switch route := r.Method + " " + strings.Join(path, "/"); {
	case route == "GET ping":
		answer(w, http.StatusOK, map[string]any{})
	case route == "GET whoami":
		if user, ok := s.authorized(w, r, "", false); ok {
			answer(w, http.StatusOK, map[string]any{"username": user})
		}
	case strings.HasPrefix(route, "POST npm/v1/security/"): // npm audit: nothing is known
		answer(w, http.StatusOK, map[string]any{})
	case len(path) >= 3 && path[0] == "package" && path[2] == "dist-tags":
		s.distTags(w, r, path[1], path[3:])
	case s.others() != nil:
		s.others().ServeHTTP(w, r)
	default:
		answer(w, http.StatusNotFound, problem("not_found"))
	}
}

// others is what answers that which is not known here, or nil.
func (s *Server) others() http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rest
}

// authorized reports whether r may read or write the package, and whose it is.
// It answers one that may not.
func (s *Server) authorized(w http.ResponseWriter, r *http.Request, name string, write bool) (user string, ok bool) {
	s.mu.Lock()
	token, user, may := s.token, s.user, s.may
	s.mu.Unlock()
	if may != nil {
		return may(w, r, name, write)
	}
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
		unauthorized(w)
		return "", false
	}
	return user, true
}

// publication is the part of npm's publish document that is read here
// (libnpmpublish sends one version and its tarball as an attachment).
type publication struct {
	Name        string                    `json:"name"`
	Tags        map[string]string         `json:"dist-tags"`
	Versions    map[string]map[string]any `json:"versions"`
	Attachments map[string]struct {
		Data string `json:"data"`
	} `json:"_attachments"`
}

func (s *Server) publish(w http.ResponseWriter, r *http.Request, name string) {
	if _, ok := s.authorized(w, r, name, true); !ok {
		return
	}
	var doc publication
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&doc); err != nil {
		answer(w, http.StatusBadRequest, problem("no publish document: "+err.Error()))
		return
	}
	v, manifest, ok := only(doc.Versions)
	_, attached, ok2 := only(doc.Attachments)
	if !ok || !ok2 || doc.Name != name || manifest == nil {
		answer(w, http.StatusBadRequest, problem("one version, one attachment and the name in the path are expected"))
		return
	}
	tarball, err := base64.StdEncoding.DecodeString(attached.Data)
	if err != nil {
		answer(w, http.StatusBadRequest, problem("the attachment is no base64"))
		return
	}
	if code, err := s.add(name, v, manifest, doc.Tags, tarball, true); err != nil {
		answer(w, code, problem(err.Error()))
		return
	}
	answer(w, http.StatusCreated, map[string]any{"ok": true, "success": true})
}

// add keeps one version, or says with which status it is refused. byClient
// tells a publish from a seed.
func (s *Server) add(name, v string, manifest map[string]any, tags map[string]string, tarball []byte, byClient bool) (int, error) {
	sum := digest(tarball)
	dist, _ := manifest["dist"].(map[string]any)
	if claimed, ok := dist["integrity"].(string); ok && claimed != sum.integrity {
		return http.StatusBadRequest, errors.New("the tarball is not the one whose integrity is given")
	}
	base := name[strings.LastIndex(name, "/")+1:]
	manifest = maps.Clone(manifest)
	manifest["_id"] = name + "@" + v
	manifest["dist"] = map[string]any{
		"integrity": sum.integrity,
		"shasum":    sum.sha1,
		"tarball":   s.URL + "/" + name + "/-/" + base + "-" + v + ".tgz",
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	p := s.packages[name]
	code, err := 0, error(nil)
	switch {
	case byClient && s.fail != 0:
		code, err = s.fail, fmt.Errorf("publishing is refused with %d", s.fail)
	case p != nil && p.versions[v] != nil:
		code, err = http.StatusForbidden, fmt.Errorf("cannot publish over the previously published version %s", v)
	case s.held+len(tarball) > maxTotal:
		code, err = http.StatusInsufficientStorage, errors.New("this registry is full")
	}
	if err != nil {
		if byClient {
			s.refused = append(s.refused, Publication{name, v, now})
		}
		return code, err
	}
	if p == nil {
		p = &pkg{tags: map[string]string{}, versions: map[string]*version{}, created: now}
		s.packages[name] = p
	}
	if len(tags) == 0 {
		tags = map[string]string{"latest": v}
	}
	for tag := range tags {
		p.tags[tag] = v
	}
	if p.tags["latest"] == "" { // every packument has one: npm install needs it
		p.tags["latest"] = v
	}
	p.versions[v] = &version{manifest, tarball, now}
	p.modified = now
	s.held += len(tarball)
	if byClient {
		s.published = append(s.published, Publication{name, v, now})
	}
	return 0, nil
}

func (s *Server) packument(w http.ResponseWriter, name string) {
	s.mu.Lock()
	p := s.packages[name]
	if p == nil {
		s.mu.Unlock()
		answer(w, http.StatusNotFound, problem("not_found"))
		return
	}
	times := map[string]string{"created": stamp(p.created), "modified": stamp(p.modified)}
	versions := map[string]any{}
	for v, ver := range p.versions {
		versions[v] = ver.manifest // never changed once kept
		times[v] = stamp(ver.time)
	}
	doc := map[string]any{
		"_id": name, "name": name, "dist-tags": maps.Clone(p.tags),
		"versions": versions, "time": times, "modified": stamp(p.modified),
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, doc)
}

// manifest answers one version, given as a version or a dist-tag.
func (s *Server) manifest(w http.ResponseWriter, name, v string) {
	s.mu.Lock()
	var found *version
	if p := s.packages[name]; p != nil {
		if tagged := p.tags[v]; tagged != "" {
			v = tagged
		}
		found = p.versions[v]
	}
	s.mu.Unlock()
	if found == nil {
		answer(w, http.StatusNotFound, problem("not_found"))
		return
	}
	answer(w, http.StatusOK, found.manifest)
}

func (s *Server) tarball(w http.ResponseWriter, name, file string) {
	v, _ := strings.CutPrefix(file, name[strings.LastIndex(name, "/")+1:]+"-")
	v, _ = strings.CutSuffix(v, ".tgz")
	s.mu.Lock()
	var found *version
	if p := s.packages[name]; p != nil {
		found = p.versions[v]
	}
	s.mu.Unlock()
	if found == nil {
		answer(w, http.StatusNotFound, problem("not_found"))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(found.tarball) // the client went away: nobody is left to tell
}

// distTags answers npm dist-tag ls, add and rm.
func (s *Server) distTags(w http.ResponseWriter, r *http.Request, name string, rest []string) {
	if r.Method != http.MethodGet {
		if _, ok := s.authorized(w, r, name, true); !ok {
			return
		}
	}
	var v string
	if r.Method == http.MethodPut {
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&v); err != nil {
			answer(w, http.StatusBadRequest, problem("a version in quotes is expected"))
			return
		}
	}
	s.mu.Lock()
	p := s.packages[name]
	code, body := http.StatusOK, any(nil)
	switch {
	case p == nil:
		code, body = http.StatusNotFound, problem("not_found")
	case r.Method == http.MethodGet && len(rest) == 0:
		body = maps.Clone(p.tags)
	case r.Method == http.MethodPut && len(rest) == 1 && p.versions[v] != nil:
		p.tags[rest[0]] = v
		code, body = http.StatusCreated, map[string]any{"ok": true}
	case r.Method == http.MethodDelete && len(rest) == 1 && rest[0] != "latest" && p.tags[rest[0]] != "":
		delete(p.tags, rest[0])
		body = map[string]any{"ok": true}
	default:
		code, body = http.StatusBadRequest, problem("no such tag or version")
	}
	s.mu.Unlock()
	answer(w, code, body)
}

// segments splits an escaped URL path; a scoped name is one segment, whether
// its slash is escaped, as npm writes it, or not.
func segments(escaped string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		seg, err := unescape(part)
		if err != nil {
			return nil, err
		}
		if n := len(out); n > 0 && strings.HasPrefix(out[n-1], "@") && !strings.Contains(out[n-1], "/") {
			out[n-1] += "/" + seg
			continue
		}
		out = append(out, seg)
	}
	return out, nil
}

// answer writes one JSON answer.
func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client went away: nobody is left to tell
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	answer(w, http.StatusUnauthorized, problem("unauthorized"))
}

func problem(text string) map[string]any { return map[string]any{"error": text} }

// stamp is a time as packuments carry it.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// only returns the single entry of m.
func only[V any](m map[string]V) (k string, v V, ok bool) {
	for k, v = range m {
		return k, v, len(m) == 1
	}
	return k, v, false
}

type sums struct{ integrity, sha1 string }

// digest returns what a packument's dist says of a tarball.
func digest(tarball []byte) sums {
	long, short := sha512.Sum512(tarball), sha1.Sum(tarball)
	return sums{"sha512-" + base64.StdEncoding.EncodeToString(long[:]), hex.EncodeToString(short[:])}
}

// WaitPublished waits until at least n versions were published, or ctx is done.
func (s *Server) WaitPublished(ctx context.Context, n int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if got := len(s.Published()); got >= n {
			return nil
		} else if ctx.Err() != nil {
			return fmt.Errorf("%d of %d packages were published: %w", got, n, ctx.Err())
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
