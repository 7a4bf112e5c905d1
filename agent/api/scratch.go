package api

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/answer"
)

// scratchTime is how long the folders that a caller names may take to answer.
const scratchTime = 5 * time.Second

// scratch is scratchOf for folders that may never answer: one of each user's calls
// is left behind there, and no more are let in until it is back.
func (s *Server) scratch(ctx context.Context, c *call, dir string) (string, error) {
	real, err := answer.Ask(ctx, s.look, c.user(), func() (string, error) { return s.scratchOf(c, dir) })
	if errors.Is(err, answer.ErrSilent) {
		return "", faultf(http.StatusForbidden, "make a fresh folder below the temp folder", "refused to guard the scratch home: %s", "it does not answer")
	}
	return real, err
}

// scratchOf checks that dir may be guarded as the scratch home of a demonstration
// and returns it without symlinks. What happens in a demonstration is marked as
// such and worries nobody, so it must be a folder of the caller's own that no
// real credential is in.
func (s *Server) scratchOf(c *call, dir string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", faultf(http.StatusForbidden, "make a fresh folder below the temp folder", "refused to guard the scratch home: %s", why)
	}
	if !filepath.IsAbs(dir) || len(dir) > 1024 {
		return "", faultf(http.StatusBadRequest, "", "home must be an absolute path")
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return refuse("it is not there")
	}
	info, err := os.Lstat(real)
	if err != nil || !info.IsDir() {
		return refuse("it is not a folder")
	}
	if owner(info) != c.peer.uid {
		return refuse("it belongs to somebody else")
	}
	inside := false
	own := ""
	if u, err := user.LookupId(c.user()); err == nil {
		own = u.HomeDir
	}
	for _, base := range []string{os.TempDir(), "/tmp", "/var/tmp", own} {
		if base, err := filepath.EvalSymlinks(base); err == nil && base != "/" && strings.HasPrefix(real, base+"/") {
			inside = true
		}
	}
	if !inside {
		return refuse("it is neither below a temp folder nor below your home")
	}
	if s.Backend.Guarded != nil {
		for _, g := range s.Backend.Guarded() {
			if below(g, real) {
				return refuse("it holds files that are guarded for real")
			}
		}
	}
	if s.Backend.Status != nil {
		for _, h := range s.Backend.Status().Homes {
			if h == real || strings.HasPrefix(h, real+"/") {
				return refuse("it is guarded for real")
			}
		}
	}
	return real, nil
}

// below reports whether g is in dir or may come to be.
func below(g wormbell.Guarded, dir string) bool {
	path := g.Path
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		uid, err := strconv.Atoi(g.User)
		if err != nil {
			return false
		}
		u, err := user.LookupId(strconv.Itoa(uid))
		if err != nil {
			return false
		}
		home, err := filepath.EvalSymlinks(u.HomeDir)
		if err != nil {
			return false
		}
		path = filepath.Join(home, rest)
	}
	return strings.HasPrefix(path, dir+"/")
}
