package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnitLeftOut: each capability that the unit leaves is needed, and each
// restriction that it leaves out would cost something. What docs/service.md says
// of them is what was seen here.
func TestUnitLeftOut(t *testing.T) {
	u := boot(t)
	u.up()
	full, ok := u.whole("all")
	if !ok || !slices.Contains(full, "knows the reader") || !slices.Contains(full, "freezes") || !slices.Contains(full, "guards /home/dev") {
		t.Fatalf("as it is, it is not whole: %q\n%s", full, u.log())
	}
	// Two are for the proc connector alone, which is there for kernels that refuse eBPF.
	const config = "/etc/wormbell/config.toml"
	u.root("mkdir -p /etc/wormbell")
	u.Write(t.Context(), config, "refuse_backends = [\"ebpf\"]\n")
	u.root("systemctl restart wormbelld")
	older, ok := u.whole("older")
	if !ok || slices.Equal(older, full) || !slices.ContainsFunc(older, func(s string) bool { return strings.HasPrefix(s, "processes by procconn") }) {
		t.Fatalf("without eBPF it is not whole: %q\n%s", older, u.log())
	}
	u.root("rm " + config + " && systemctl restart wormbelld")
	for _, c := range []struct {
		name, line string
		older      bool
	}{
		{"sysadmin", "CapabilityBoundingSet=~CAP_SYS_ADMIN", false},
		{"ptrace", "CapabilityBoundingSet=~CAP_SYS_PTRACE", false},
		{"search", "CapabilityBoundingSet=~CAP_DAC_READ_SEARCH", false},
		{"netadmin", "CapabilityBoundingSet=~CAP_NET_ADMIN", true},
		{"kill", "CapabilityBoundingSet=~CAP_KILL", false},
		{"network", "PrivateNetwork=yes", true},
		{"users", "PrivateUsers=yes", false},
		{"home", "ProtectHome=yes", false},
		{"proc", "ProcSubset=pid", false},
	} {
		t.Run(c.line, func(t *testing.T) {
			u, full := u.of(t), full
			if c.older {
				full = older
				u.Write(t.Context(), config, "refuse_backends = [\"ebpf\"]\n")
				defer u.root("rm " + config)
			}
			u.Write(t.Context(), "/etc/systemd/system/wormbelld.service.d/zz.conf", "[Service]\nSystemCallErrorNumber=EPERM\n"+c.line+"\n")
			defer u.root("rm /etc/systemd/system/wormbelld.service.d/zz.conf && systemctl daemon-reload")
			u.root("systemctl daemon-reload")
			if out, code := u.Try(t.Context(), "root", "timeout 60 systemctl restart wormbelld"); code != 0 {
				t.Logf("it does not start: %s", out)
				return
			}
			got, ok := u.whole(c.name)
			if ok && slices.Equal(got, full) {
				t.Errorf("nothing is lost by it")
			}
			t.Logf("with it (-) and without (+):\n%s", cmp.Diff(got, full))
		})
	}
}

// whole is how well the agent sees and acts, by what it says and by what it
// does; false if it does not answer. name is that of a program for this alone.
func (u *unit) whole(name string) (list []string, ok bool) {
	u.t.Helper()
	s, ok := u.status()
	if !ok {
		return nil, false
	}
	list = sees(s)
	for _, h := range s.Homes {
		list = append(list, "guards "+h)
	}
	u.Run(u.t.Context(), "dev", fmt.Sprintf(`cp /usr/bin/bash ~/%s; chmod 700 ~; echo 'read -r x <~/.npmrc; for ((;;)); do sleep 1; done' >~/loop.sh
		setsid ~/%[1]s ~/loop.sh >/dev/null 2>&1 </dev/null & sleep 4`, name))
	for _, a := range u.alerts() {
		for _, f := range a.Findings {
			p := f.Evidence[len(f.Evidence)-1].Process
			if p == nil || p.Exe != "/home/dev/"+name || len(p.Args) == 0 {
				continue
			}
			list = append(list, "knows the reader")
			u.Try(u.t.Context(), "root", "wormbell alert freeze "+a.ID)
			if state, _ := u.Try(u.t.Context(), "root", "ps -o state= -C "+name); strings.TrimSpace(state) == "T" {
				list = append(list, "freezes")
			}
		}
	}
	u.Try(u.t.Context(), "root", "pkill -KILL -x "+name)
	return list, true
}
