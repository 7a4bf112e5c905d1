package respond

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"wormbell/agent/respond/call"
	"wormbell/internal/secret"
)

const (
	// npmPatience is how long a person is waited for who has to approve
	// something in the browser: time to find a security key in another room.
	npmPatience = 10 * time.Minute
	// npmReminder is how often they are told that they are waited for.
	npmReminder = 2 * time.Minute
	// npmGoodbye is how long the end of a session may take, also after Ctrl-C.
	npmGoodbye = 3 * time.Second
	// npmTries is how often a person may type a password or a code.
	npmTries = 3
	// maxNpmPages is how many pages of tokens are read: far more than an account has.
	maxNpmPages = 50
)

// errNpmNoWeb says that the registry has no sign-in by a website.
var errNpmNoWeb = errors.New("the registry has no sign-in in the browser")

// npmRequest is one request to a registry.
type npmRequest struct {
	method, path string // below the registry's URL
	url          string // instead of path
	what         string
	command      string // npm's command that sends the same; "" is token
	body         []byte // JSON
	again        bool   // may be repeated
	otp          secret.Value
	most         int64 // see call.Request
}

// send sends r by this authority, which may be empty.
func (s npmSite) send(ctx context.Context, auth secret.Value, r npmRequest) (*call.Response, error) {
	h := http.Header{"Npm-Auth-Type": {"web"}, "Npm-Command": {cmp.Or(r.command, "token")}}
	if !auth.Empty() {
		h.Set("Authorization", auth.Reveal())
	}
	if !r.otp.Empty() {
		h.Set("Npm-Otp", r.otp.Reveal())
	}
	if r.body != nil {
		h.Set("Content-Type", "application/json")
	}
	return s.m.Call.Do(ctx, call.Request{Method: r.method, URL: cmp.Or(r.url, s.base+r.path), What: r.what, Header: h, Body: r.body, Repeatable: r.again, Most: r.most})
}

// guarded sends r and gets the second factor from the person if the registry
// asks for it.
func (s npmSite) guarded(ctx context.Context, auth secret.Value, r npmRequest) (*call.Response, error) {
	for try := 0; ; try++ {
		a, err := s.send(ctx, auth, r)
		if err != nil || try == npmTries || !npmAsksSecond(a) {
			return a, err
		}
		if r.otp, err = s.second(ctx, auth, a); err != nil {
			// Not the refusal of a page, which would be taken for one of r.
			return nil, &npmUndoneError{fmt.Errorf("%s: %w", r.what, err)}
		}
	}
}

// npmUndoneError is an error that came before anything had an effect, whatever
// it is: for whom it counts it is a request that was never sent.
type npmUndoneError struct {
	err error
}

func npmUndone(err error) error {
	if err == nil || noEffect(err) && !errors.Is(err, context.Canceled) {
		return err
	}
	return &npmUndoneError{err}
}

func (e *npmUndoneError) Error() string { return e.err.Error() }

// Unwrap leaves out a lost answer: it was to a question.
func (e *npmUndoneError) Unwrap() []error {
	all := []error{&call.NotSentError{What: "make or delete a token", Why: e.err.Error()}}
	for _, kept := range []error{ErrNobody, ErrNotPossible, context.Canceled, context.DeadlineExceeded, call.ErrGarbled} {
		if errors.Is(e.err, kept) {
			all = append(all, kept)
		}
	}
	return all
}

// npmAsksSecond reports whether a registry refused for want of a second factor:
// as npm-registry-fetch tells it.
func npmAsksSecond(r *call.Response) bool {
	body := bytes.ToLower(r.Body)
	return r.Status == http.StatusUnauthorized && (strings.Contains(strings.ToLower(r.Header.Get("WWW-Authenticate")), "otp") ||
		bytes.Contains(body, []byte("one-time pass")) || bytes.Contains(body, []byte("one time pass")))
}

// second gets a second factor: by the page that the registry names, else by
// asking for a code.
func (s npmSite) second(ctx context.Context, auth secret.Value, r *call.Response) (secret.Value, error) {
	var pages struct{ AuthURL, DoneURL string }
	if r.Into(&pages) == nil && s.mayShow(pages.AuthURL) && s.mayPoll(pages.DoneURL) {
		s.rememberWeb(pages.AuthURL)
		s.m.Person.Say(s.host() + " asks for a second factor. Approve it in the browser.")
		if err := s.m.Person.Browse(ctx, pages.AuthURL); err != nil {
			return secret.Value{}, err
		}
		return s.poll(ctx, auth, pages.DoneURL, "wait for the second factor")
	}
	code, err := s.m.Person.Secret(ctx, "One-time password for "+s.host()+" (from your authenticator, or from the mail that it has just sent)")
	if err != nil {
		return secret.Value{}, err
	}
	code = secret.Of(strings.TrimSpace(code.Reveal()))
	if !npmIsWord(code) {
		return secret.Value{}, errors.New("that is no one-time password")
	}
	return code, nil
}

// npmIsWord reports whether v can be sent in a header.
func npmIsWord(v secret.Value) bool {
	return !v.Empty() && len(v.Reveal()) <= maxNpmToken && !strings.ContainsFunc(v.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// npmIsPage reports whether s is a page on the web.
func npmIsPage(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// poll asks doneURL until the person has approved, and returns what it gives
// out: a session, or a code. auth is sent to the registry itself only.
func (s npmSite) poll(ctx context.Context, auth secret.Value, doneURL, what string) (secret.Value, error) {
	if !s.holds(doneURL) {
		auth = secret.Value{}
	}
	s.m.Person.Say(fmt.Sprintf("Waiting for you in the browser, for %s at most. Ctrl-C is safe: what was begun is written down, and 'wormbell rotate --resume' goes on with it.", inWords(npmPatience)))
	var waited, told time.Duration
	var failed int
	for {
		r, err := s.send(ctx, auth, npmRequest{method: http.MethodGet, url: doneURL, what: what, command: "login"})
		wait := 2 * time.Second
		switch {
		case ctx.Err() != nil:
			return secret.Value{}, ctx.Err()
		case err != nil:
			failed++
		case r.Status == http.StatusOK:
			var got struct{ Token string }
			if err := r.Into(&got); err != nil {
				return secret.Value{}, fmt.Errorf("%s: %w", what, err)
			}
			if v := secret.Of(got.Token); npmIsWord(v) {
				return v, nil
			}
			return secret.Value{}, fmt.Errorf("%s: %w", what, call.ErrGarbled)
		case r.Status == http.StatusAccepted:
			failed = 0
			wait = r.Refused(what, "").Later
		case r.Status == http.StatusTooManyRequests || r.Status >= 500:
			failed++
			wait = max(r.Refused(what, "").Later, 5*time.Second)
			err = r.Refused(what, "")
		default:
			return secret.Value{}, r.Refused(what, "")
		}
		if failed > 5 {
			return secret.Value{}, err
		}
		if waited >= npmPatience {
			return secret.Value{}, fmt.Errorf("%w: %s: nothing was approved within %v", ErrNobody, what, npmPatience)
		}
		if waited-told >= npmReminder {
			s.m.Person.Say(fmt.Sprintf("Still waiting for you in the browser: %s more.", inWords(npmPatience-waited)))
			told = waited
		}
		wait = min(max(wait, time.Second), time.Minute)
		if err := s.m.Call.Sleep(ctx, wait); err != nil {
			return secret.Value{}, err
		}
		waited += wait
	}
}

// mayPoll reports whether what the registry gives out may be fetched from page: a
// line that is as well guarded as the one to the registry, and no server that
// only this machine or its network can reach, which a registry elsewhere has no
// business with.
func (s npmSite) mayPoll(page string) bool {
	u, err := url.Parse(page)
	base, err2 := url.Parse(s.base)
	if err != nil || err2 != nil || !npmIsPage(page) || base.Scheme == "https" && u.Scheme != "https" {
		return false
	}
	at, from := u.Hostname(), base.Hostname()
	return at == from || !npmIsNear(at) || npmIsLoopback(at) && npmIsLoopback(from)
}

// npmIsNear reports whether host is an address that does not lead into the
// Internet.
func npmIsNear(host string) bool {
	ip, err := netip.ParseAddr(host)
	return npmIsLoopback(host) || err == nil && (!ip.Unmap().IsGlobalUnicast() || ip.Unmap().IsPrivate())
}

func npmIsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.Unmap().IsLoopback()
}

// holds reports whether address is below the registry's URL, so that a token of
// it may be sent there.
func (s npmSite) holds(address string) bool {
	u, err := url.Parse(address)
	base, err2 := url.Parse(s.base)
	return err == nil && err2 == nil && u.Scheme == base.Scheme && u.Host == base.Host && u.User == nil && strings.HasPrefix(u.Path, base.Path+"/")
}

// npmSignIn is where a person signs in, and where the session is given out.
type npmSignIn struct{ LoginURL, DoneURL string }

// signInPages asks the registry where to sign in.
func (s npmSite) signInPages(ctx context.Context) (pages npmSignIn, err error) {
	const what = "begin a sign-in"
	r, err := s.send(ctx, secret.Value{}, npmRequest{method: http.MethodPost, path: "/-/v1/login", what: what, command: "login", body: []byte("{}"), again: true})
	switch {
	case err != nil:
		return pages, err
	case r.Status/100 == 4 && r.Status != http.StatusTooManyRequests, r.Status == http.StatusInternalServerError:
		return pages, errNpmNoWeb // as npm-profile takes it
	case r.Status/100 != 2:
		return pages, r.Refused(what, "")
	case r.Into(&pages) != nil || !s.mayShow(pages.LoginURL) || !s.mayPoll(pages.DoneURL):
		return pages, fmt.Errorf("%s: %w", what, call.ErrGarbled)
	}
	return pages, nil
}

// mayShow reports whether a person may be sent to a page that the registry
// named: the line to it is as well guarded as that to the registry.
func (s npmSite) mayShow(page string) bool {
	return npmIsPage(page) && (!strings.HasPrefix(s.base, "https:") || strings.HasPrefix(page, "https:"))
}

// signIn returns a session of owner, by the person's browser unless there is
// one from before. owner is "" if it is not known; whose it is, is returned. The
// session is to be given back by leave.
func (s npmSite) signIn(ctx context.Context, owner string) (v secret.Value, user string, err error) {
	if v := s.session(owner); !v.Empty() {
		id, err := s.whoami(ctx, npmBearer(v))
		if err != nil {
			return v, "", err
		}
		if id.Answer != Dead {
			return v, owner, nil
		}
		s.m.Memory.Set(s.sessionKey(owner), secret.Value{})
	}
	pages, err := s.signInPages(ctx)
	if err != nil {
		return v, "", err
	}
	s.rememberWeb(pages.LoginURL)
	as := ""
	if owner != "" {
		as = " as " + owner
	}
	s.m.Person.Say("Sign in to " + s.host() + as + " in the browser.")
	if err := s.m.Person.Browse(ctx, pages.LoginURL); err != nil {
		return v, "", fmt.Errorf("sign in: %w", err)
	}
	if v, err = s.poll(ctx, secret.Value{}, pages.DoneURL, "wait for the sign-in"); err != nil {
		return secret.Value{}, "", &npmUndoneError{err}
	}
	id, err := s.whoami(ctx, npmBearer(v))
	switch {
	case err != nil:
	case id.Answer != Alive:
		err = errors.New("sign in: the registry does not take the session that it gave out")
	case owner != "" && owner != id.Owner:
		err = fmt.Errorf("sign in: it is %s who signed in, and the token belongs to %s", id.Owner, owner)
	}
	if err != nil {
		s.logOut(ctx, v)
		return secret.Value{}, "", err
	}
	s.m.Memory.Set(s.sessionKey(id.Owner), v)
	return v, id.Owner, nil
}

const npmSessionPrefix = "npm session "

func (s npmSite) sessionKey(user string) string { return npmSessionPrefix + s.base + " " + user }

// session returns the session that this program has from before, if any.
func (s npmSite) session(user string) secret.Value { return s.m.Memory.Get(s.sessionKey(user)) }

// leave ends a session unless others may still use it.
func (s npmSite) leave(ctx context.Context, v secret.Value) {
	if s.m.Memory == nil {
		s.logOut(ctx, v)
	}
}

// npmLeave ends the sessions of this run.
func npmLeave(ctx context.Context, m *Machine) {
	for _, key := range m.Memory.Keys(npmSessionPrefix) {
		v := m.Memory.Get(key)
		m.Memory.Set(key, secret.Value{})
		base, _, _ := strings.Cut(strings.TrimPrefix(key, npmSessionPrefix), " ")
		npmSite{m, base}.logOut(ctx, v)
	}
}

// logOut ends a session of ours. If it cannot, the session ends by itself, two
// hours after it began.
func (s npmSite) logOut(ctx context.Context, v secret.Value) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), npmGoodbye)
	defer cancel()
	if err := s.forgetSelf(ctx, v); err != nil {
		s.m.Log.Info("session was not ended", "err", err)
	}
}

// forgetSelf is npm's logout: it kills a token by having it. Once is as good as
// twice; nobody but us can end a session whose end was lost on the way.
func (s npmSite) forgetSelf(ctx context.Context, v secret.Value) error {
	r, err := s.send(ctx, npmBearer(v), npmRequest{method: http.MethodDelete, path: "/-/user/token/" + url.PathEscape(v.Reveal()), what: "log the token out", command: "logout", again: true})
	if err == nil && r.Status/100 != 2 {
		err = r.Refused("log the token out", "")
	}
	return err
}

// remove deletes a token by the registry's name for it.
func (s npmSite) remove(ctx context.Context, auth secret.Value, key string) error {
	const what = "delete the token"
	r, err := s.guarded(ctx, auth, npmRequest{method: http.MethodDelete, path: "/-/npm/v1/tokens/token/" + url.PathEscape(key), what: what, again: true})
	if err == nil && r.Status/100 != 2 {
		err = r.Refused(what, "")
	}
	return err
}
