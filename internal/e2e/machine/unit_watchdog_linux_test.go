package machine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell/internal/vm"
)

// TestUnitWatchdog: whatever ends or stops the agent, openers go on, it comes
// back by itself, rings afterwards and says what happened.
func TestUnitWatchdog(t *testing.T) {
	u := boot(t)
	u.up()
	t.Run("the agent is stopped", func(t *testing.T) { u.of(t).testStopped(false) })
	t.Run("the watchdog is stopped too", func(t *testing.T) { u.of(t).testStopped(true) })
	t.Run("the agent is killed", func(t *testing.T) { u.of(t).testKilled() })
	t.Run("memory", func(t *testing.T) { u.of(t).testMemory() })
	t.Run("stop and start", func(t *testing.T) { u.of(t).testStopStart() })
	t.Run("budget", func(t *testing.T) { u.of(t).testBudget() })
	t.Run("nothing answers openers", func(t *testing.T) { u.of(t).testWithoutFanotify() })
	t.Run("wrong settings", func(t *testing.T) { u.of(t).testWrongSettings() })
}

// back waits for another agent than the one named, and returns why it says that
// it was started again.
func (u *unit) back(not int) string {
	u.t.Helper()
	why := ""
	u.Wait("another agent", 3*time.Minute, func() bool {
		s, ok := u.status()
		if !ok || s.PID == not {
			return false
		}
		why = strings.Join(s.Problems, "\n")
		return true
	})
	return why
}

// rung has a program that nobody vouches for read a credential, under a name of
// its own, and waits until it rings.
func (u *unit) rung(name string) {
	u.t.Helper()
	u.Run(u.t.Context(), "dev", fmt.Sprintf("cp ~/reader ~/%s; ~/%[1]s ~/.npmrc >/dev/null", name))
	u.rings("credential-read", name+" ")
}

// openerBound is in which an opener must go on: WatchdogSec and a second. It is
// said in the log and judged only by many times that, for the machine is slow.
const openerBound = 4 * time.Second

// testStopped: SIGSTOP, which no process can resist. An opener that is held
// meanwhile goes on when the agent is ended.
func (u *unit) testStopped(both bool) {
	parent, child := u.pids()
	stop := strconv.Itoa(child)
	name := "afterstop"
	if both {
		stop, name = fmt.Sprintf("%d %d", parent, child), "afterboth"
	}
	ctx, cancel := context.WithTimeout(u.t.Context(), 3*time.Minute)
	defer cancel()
	// As root, in one breath; the time is that of the machine's own clock.
	out, err := u.Command(ctx, "root", "kill -STOP "+stop+`; a=${EPOCHREALTIME/./}; runuser -u dev -- cat /home/dev/.npmrc >/dev/null; echo took $((${EPOCHREALTIME/./} - a))`, vm.Options{}).CombinedOutput()
	if err != nil {
		u.t.Fatalf("%v: %s", err, out)
	}
	_, us, _ := strings.Cut(strings.TrimSpace(string(out)), "took ")
	took, err := time.ParseDuration(us + "us")
	if err != nil {
		u.t.Fatalf("%s: %v", out, err)
	}
	u.t.Logf("an opener went on after %v, %v is due on a machine at full speed", took.Round(time.Millisecond), openerBound)
	if took > 10*openerBound {
		u.t.Errorf("an opener was held for %v", took)
	}
	why := u.back(child)
	if both && !strings.Contains(why, "ended together with its watchdog") || !both && !strings.Contains(why, "it gave no sign of life while openers waited") {
		u.t.Errorf("it says %q", why)
	}
	if now, _ := u.pids(); (now != parent) != both {
		u.t.Errorf("the watchdog was %d and is %d", parent, now)
	}
	if result := strings.TrimSpace(u.root("journalctl -u wormbelld -o cat --no-pager | grep -c 'Watchdog timeout' || true")); (result != "0") != both {
		u.t.Errorf("the service manager's watchdog acted %s times", result)
	}
	u.rung(name)
}

// testKilled: again and again; the service manager never gives up.
func (u *unit) testKilled() {
	for range 5 {
		_, child := u.pids()
		u.root(fmt.Sprintf("kill -KILL %d", child))
		if why := u.back(child); !strings.Contains(why, "it was killed") {
			u.t.Errorf("it says %q", why)
		}
	}
	for range 6 { // more often than systemd's own limit of starts would allow
		parent, child := u.pids()
		u.root(fmt.Sprintf("kill -KILL %d", parent))
		u.Wait("the agent to go with its watchdog", time.Minute, func() bool {
			_, code := u.Try(u.t.Context(), "root", fmt.Sprintf("test -d /proc/%d", child))
			return code != 0
		})
		if why := u.back(child); !strings.Contains(why, "ended together with its watchdog") {
			u.t.Errorf("it says %q", why)
		}
	}
	u.rung("afterkill")
}

// testMemory: the kernel ends the agent when its share of memory is used up.
func (u *unit) testMemory() {
	parent, child := u.pids()
	number := func(format string, args ...any) int {
		n, err := strconv.Atoi(strings.TrimSpace(u.root(fmt.Sprintf(format, args...))))
		if err != nil {
			u.t.Fatal(err)
		}
		return n
	}
	// Less and less, until the kernel ends the larger of the two: what it takes
	// away before, files and its own, differs from machine to machine. All at once
	// would end the watchdog, too.
	limit := number("cat /sys/fs/cgroup/system.slice/wormbelld.service/memory.current")
	watchdog, agent := number("awk '/^RssAnon/ {print $2}' /proc/%d/status", parent), number("awk '/^RssAnon/ {print $2}' /proc/%d/status", child)
	u.t.Logf("they have %d bytes, of their own the watchdog %d kB and the agent %d kB", limit, watchdog, agent)
	u.Wait("the kernel to end it", 2*time.Minute, func() bool {
		limit = max(limit-1<<20, 8<<20)
		u.root(fmt.Sprintf("systemctl set-property --runtime wormbelld MemoryMax=%d", limit))
		return strings.TrimSpace(u.root("journalctl -u wormbelld -o cat --no-pager | grep -c 'it ran out of memory' || true")) != "0"
	})
	u.t.Logf("it was ended at %d bytes", limit)
	u.root("systemctl set-property --runtime wormbelld MemoryMax=256M")
	// With so little the kernel may have ended the watchdog, too, in the end.
	if why := u.back(child); !strings.Contains(why, "started again") {
		u.t.Errorf("it says %q", why)
	}
	u.rung("aftermemory")
}

// testStopStart: a stop is clean, and what was there before is not forgotten.
func (u *unit) testStopStart() {
	u.root("systemctl stop wormbelld")
	for property, want := range map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"} {
		if got := strings.TrimSpace(u.root("systemctl show wormbelld -P " + property)); got != want {
			u.t.Errorf("after a stop %s is %s, want %s", property, got, want)
		}
	}
	log := u.root("journalctl -u wormbelld -o cat --no-pager; test ! -e /run/wormbell && echo no socket")
	if log = log[max(strings.LastIndex(log, "Stopping wormbelld"), 0):]; strings.Contains(log, "Killing") || strings.Contains(log, "starting it again") || !strings.HasSuffix(log, "no socket\n") {
		u.t.Errorf("of the stop the log says\n%s", log)
	}
	before := u.root("systemctl show -P NRestarts wormbelld")
	began := time.Now()
	u.root("systemctl start wormbelld")
	u.t.Logf("from systemctl start to ready: %v here", time.Since(began).Round(10*time.Millisecond))
	if s := u.root("systemctl show -P StatusText wormbelld"); s != "Guarding\n" {
		u.t.Errorf("systemctl status says %q", s)
	}
	if len(u.alerts()) == 0 {
		u.t.Error("the alerts are gone")
	}
	u.root("systemctl restart wormbelld && systemctl restart wormbelld")
	if after := u.root("systemctl show -P NRestarts wormbelld"); after != "0\n" {
		u.t.Errorf("started again %s times, before %s", after, before)
	}
}

// testWithoutFanotify: an agent that holds nobody up is not taken for dead.
func (u *unit) testWithoutFanotify() {
	u.Write(u.t.Context(), "/etc/wormbell/config.toml", "refuse_backends = [\"fanotify\"]\n")
	u.root("systemctl restart wormbelld")
	defer u.root("rm /etc/wormbell/config.toml && systemctl restart wormbelld")
	s := u.up()
	for _, x := range s.Sensors {
		if x.Name == "credentials" && x.Backend == "fanotify" {
			u.t.Fatal("fanotify is in use: the test proves nothing")
		}
	}
	// Many times WatchdogSec, by the machine's own clock.
	u.root("sleep 15")
	if now := u.up(); now.PID != s.PID {
		u.t.Errorf("process %d is %d now: %s", s.PID, now.PID, u.log())
	}
}

// testWrongSettings: a spoiled file leaves nobody unguarded, and the status names
// it. One that the command line names is another matter: whoever starts the agent
// learns of it, and whoever mends it need not start the agent.
func (u *unit) testWrongSettings() {
	u.Write(u.t.Context(), "/etc/wormbell/config.toml", "homs = []\n")
	u.root("systemctl restart wormbelld")
	if problems := strings.Join(u.up().Problems, "\n"); !strings.Contains(problems, `no key "homs"`) {
		u.t.Errorf("the status does not say what is wrong: %s", problems)
	}
	u.rung("spoiled")

	const named = "/etc/systemd/system/wormbelld.service.d/named.conf"
	u.Write(u.t.Context(), named, "[Service]\nExecStart=\nExecStart=/usr/bin/wormbelld --config /etc/wormbell/config.toml\n")
	out, code := u.Try(u.t.Context(), "root", "systemctl daemon-reload && systemctl restart wormbelld")
	if code == 0 {
		u.t.Errorf("it starts with wrong settings: %s", out)
	}
	if log := u.log(); !strings.Contains(log, `no key "homs"`) {
		u.t.Errorf("the log does not say why:\n%s", log)
	}
	u.Write(u.t.Context(), "/etc/wormbell/config.toml", "")
	u.up()
	u.rung("aftermending")
	u.root("rm /etc/wormbell/config.toml " + named + " && systemctl daemon-reload && systemctl restart wormbelld")
	u.up()
}

// testBudget: a storm of processes costs the agent more than it should take,
// which it says. That it ends is tested in agent: on a processor of software, which
// other work slows down still more, asking alone can cost that much.
func (u *unit) testBudget() {
	u.root("systemctl restart wormbelld") // what went before is not to be judged
	u.Run(u.t.Context(), "dev", "for i in 1 2 3; do setsid timeout 600 bash -c 'while :; do /bin/true; done' >/dev/null 2>&1 </dev/null & done")
	problem := func() string {
		s, _ := u.status()
		for _, p := range s.Problems {
			if strings.Contains(p, "takes more than it should") {
				return p
			}
		}
		return ""
	}
	u.Wait("the agent to say that it takes too much", 5*time.Minute, func() bool { return problem() != "" })
	u.t.Log(problem())
	u.rung("duringstorm") // detection goes on
	u.root("pkill -KILL -x timeout; pkill -KILL -u dev -x bash; true")
	if log := u.root("journalctl -u wormbelld -o cat --no-pager"); !strings.Contains(log, "leaves optional work") {
		u.t.Errorf("the log does not say it:\n%s", log)
	}
}
