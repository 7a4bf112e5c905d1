package keychain

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// absent says why there can be no keychain, without speaking to any; "" if there
// may be one.
//
// It is asked before go-keyring is: without a session bus that would start one by
// dbus-launch, which stays behind and whose keyring nobody can unlock.
func absent(getenv func(string) string) string {
	const variable = "DBUS_SESSION_BUS_ADDRESS"
	address := getenv(variable)
	if address != os.Getenv(variable) {
		return "no session bus is asked for" // the library looks at the process's environment itself
	}
	if address == "" || address == "autolaunch:" {
		uid := strconv.Itoa(os.Getuid())
		for _, name := range []string{"/bus", "/dbus-session"} { // where the library looks
			if _, err := os.Stat("/run/user/" + uid + name); err == nil {
				return ""
			}
		}
		return "there is no session bus here, as in a terminal over ssh: log in to the desktop, or start this in dbus-run-session"
	}
	// Several addresses may stand there; each is tried in turn.
	for one := range strings.SplitSeq(address, ";") {
		keys, ok := strings.CutPrefix(one, "unix:")
		if !ok {
			return "the session bus has no address on this machine: " + variable + " begins with " + strconv.Quote(strings.SplitN(one, ":", 2)[0])
		}
		for key := range strings.SplitSeq(keys, ",") {
			path, ok := strings.CutPrefix(key, "path=")
			if !ok || strings.Contains(path, "%") {
				continue
			}
			info, err := os.Stat(path)
			if err != nil {
				return "the session bus is not where " + variable + " says"
			}
			if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
				return otherUser
			}
		}
	}
	return ""
}
