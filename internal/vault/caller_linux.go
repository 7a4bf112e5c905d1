package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// deepest is how many processes above this one are looked at.
const deepest = 64

// maxEnviron is more than arguments and environment can have together, in
// bytes: execve(2) allows three quarters of 8 MiB.
const maxEnviron = 6 << 20

// above looks at the environments of the processes above this one (proc(5)).
func above() error {
	pid := os.Getppid()
	for range deepest {
		if pid <= 1 {
			return nil
		}
		env, err := limited("/proc/"+strconv.Itoa(pid)+"/environ", maxEnviron)
		// Another user's cannot be read, such as sudo's; that of who is above may be.
		if err == nil {
			for v := range bytes.SplitSeq(env, []byte{0}) {
				name, value, _ := strings.Cut(string(v), "=")
				for _, bad := range variables {
					if name == bad {
						return fmt.Errorf("%w: %s=%s stands in the environment of process %d, above this one", ErrScript, name, short(value), pid)
					}
				}
			}
		}
		stat, err := limited("/proc/"+strconv.Itoa(pid)+"/stat", 4096)
		if err != nil {
			return nil
		}
		// The name in parentheses may hold anything.
		rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(rest) < 2 {
			return nil
		}
		if pid, err = strconv.Atoi(rest[1]); err != nil {
			return nil
		}
	}
	return errors.New("the processes above this one do not end")
}

func limited(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
