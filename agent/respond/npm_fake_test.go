package respond

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// npmVerdaccioFake answers about tokens as Verdaccio 6.8 does: the real one
// cannot be made to fail. What it says was copied from that, see TestNpmVerdaccio.
type npmVerdaccioFake struct {
	t        *testing.T
	password string
	now      func() time.Time

	mu   sync.Mutex // guards made
	made []npmVerdaccioToken
}

type npmVerdaccioToken struct {
	value, key string
	readOnly   bool
	created    time.Time
	dead       bool
}

func (v *npmVerdaccioFake) issue(readOnly bool) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.add(readOnly).value
}

func (v *npmVerdaccioFake) add(readOnly bool) npmVerdaccioToken {
	t := npmVerdaccioToken{value: testRandom(270) + "==", key: hex.EncodeToString([]byte(testRandom(16))), readOnly: readOnly, created: v.now()}
	v.made = append(v.made, t)
	return t
}

func (v *npmVerdaccioFake) owner(value string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.made {
		if t.value == value && !t.dead {
			return "alice"
		}
	}
	return ""
}

func (v *npmVerdaccioFake) live() (all []npmVerdaccioToken) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.made {
		if !t.dead {
			all = append(all, t)
		}
	}
	return all
}

func (t npmVerdaccioToken) shown(value string) map[string]any {
	return map[string]any{"token": value, "user": "alice", "key": t.key, "cidr": []string{}, "readonly": t.readOnly, "created": t.created.UTC().Format("2006-01-02T15:04:05.000Z")}
}

func (v *npmVerdaccioFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	say := func(status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	known, revoked := false, false
	auth := r.Header.Get("Authorization")
	for _, t := range v.made {
		if auth == "Bearer "+t.value {
			known, revoked = true, t.dead
		}
	}
	if basic, ok := strings.CutPrefix(auth, "Basic "); ok {
		plain, _ := base64.StdEncoding.DecodeString(basic)
		if known = string(plain) == "alice:"+v.password; !known {
			say(401, map[string]any{"error": "bad username/password, access denied"})
			return
		}
	}
	if revoked {
		say(403, map[string]any{"error": "unauthorized access"})
		return
	}
	key, byKey := strings.CutPrefix(r.URL.Path, "/-/npm/v1/tokens/token/")
	switch {
	case r.URL.Path == "/-/whoami" && known:
		say(200, map[string]any{"username": "alice"})
	case r.URL.Path == "/-/whoami":
		say(200, map[string]any{})
	case r.URL.Path == "/-/v1/login":
		w.WriteHeader(404)
		_, _ = w.Write([]byte("<!DOCTYPE html>\n<pre>Cannot POST /-/v1/login</pre>"))
	case strings.HasPrefix(r.URL.Path, "/-/user/token/") && r.Method == http.MethodDelete:
		say(200, map[string]any{"ok": "Logged out"}) // and nothing else
	case !known:
		say(401, map[string]any{"error": "no credentials provided"})
	case r.URL.Path == "/-/npm/v1/tokens" && r.Method == http.MethodGet:
		list := []any{}
		for _, t := range v.made {
			if !t.dead {
				list = append(list, t.shown(t.value[:5]+"..."+t.value[len(t.value)-5:]))
			}
		}
		say(200, map[string]any{"objects": list, "urls": map[string]any{"next": ""}})
	case r.URL.Path == "/-/npm/v1/tokens" && r.Method == http.MethodPost:
		var b struct {
			Password string
			ReadOnly *bool     `json:"readonly"`
			CIDR     *[]string `json:"cidr_whitelist"`
		}
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || b.ReadOnly == nil || b.CIDR == nil {
			say(422, map[string]any{"error": "the parameters are not valid"})
			return
		}
		if b.Password != v.password {
			say(401, map[string]any{"error": "bad username/password, access denied"})
			return
		}
		t := v.add(*b.ReadOnly)
		say(200, t.shown(t.value))
	case byKey && r.Method == http.MethodDelete:
		for i := range v.made {
			v.made[i].dead = v.made[i].dead || v.made[i].key == key
		}
		say(200, map[string]any{})
	default:
		say(404, map[string]any{"error": "no such package available"})
	}
}

// npmServe serves h until the test ends.
func npmServe(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
