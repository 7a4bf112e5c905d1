package cli

import (
	"strings"
	"testing"
)

func TestBypass(t *testing.T) {
	t.Parallel()
	tests := []struct {
		line   string
		bypass bool
	}{
		{"npm publish", false}, {"npm", false}, {"npm -v", false}, {"npm i", false}, {"npm run login", false}, {"npm exec login", false}, {"npm config", false},
		{"npm config get registry", false}, {"npm c ls", false}, {"npm config list --json", false}, {"npm whoami --registry login", false}, {"npm view config", false},
		{"npm login", true}, {"npm logi", true}, {"npm --loglevel silly login", true}, {"npm adduser", true}, {"npm addUser", true}, {"npm add-user", true}, {"npm logout", true},
		{"npm token create", true}, {"npm config set a b", true}, {"npm c delete a", true}, {"npm config rm a", true}, {"npm conf edit", true}, {"npm config fix", true},
		{"npm set a=b", true}, {"npm publish --userconfig /x", true}, {"npm --userconfig=/x publish", true},
		{"pnpm publish", false}, {"pnpm login", true}, {"pnpm --dir x config set a b", true}, {"pnpm config get a", false}, {"pn logout", true},
		{"npx login", false}, {"pnpx config set", false}, {"yarn npm login", false}, {"bun publish", false},
	}
	for _, tt := range tests {
		words := strings.Fields(tt.line)
		if why := bypass(words[0], words[1:]); (why != "") != tt.bypass {
			t.Errorf("%s: %q", tt.line, why)
		}
	}
}

func TestExecKnows(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"exec", "--", "no-such-program-anywhere"}, {"exec", "--", "go", "version"}, {"exec"}, {"vault", "npm", "--shim", "--no-shim"}, {"vault", "nope"}} {
		out, errs, status := wormbellRun(t, &standIn{}, args...)
		if status != exitCannot || out != "" || !strings.HasPrefix(errs, "wormbell: ") {
			t.Errorf("%q: %d, %q, %q", args, status, out, errs)
		}
	}
}
