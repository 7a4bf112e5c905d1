package watchers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wormbell"
	"wormbell/internal/executable"
)

// TestForeign: of a program that nobody vouches for it is known whether it was
// made to load something besides.
func TestForeign(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	l := procLineage(t, LineageConfig{Homes: []Home{{Dir: home, UID: -1}}})
	tool, script := filepath.Join(home, "tool"), putFile(t, filepath.Join(home, "x.js"), "setTimeout(() => {}, 60000)\n")
	if err := executable.Copy("/usr/bin/sleep", tool); err != nil {
		t.Fatal(err)
	}
	evil := putFile(t, filepath.Join(home, "evil.js"), "")
	run := func(name string, want bool, env []string, argv ...string) {
		t.Helper()
		program, err := exec.LookPath(argv[0])
		if err != nil {
			t.Logf("%s: %v", name, err)
			return
		}
		cmd := exec.Command(program, argv[1:]...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
		for _, set := range env {
			if dir, ok := strings.CutPrefix(set, "WORMBELL_CWD="); ok {
				cmd.Dir = dir
			} else {
				cmd.Env = append(cmd.Env, set)
			}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		var p *wormbell.Process
		// Until it executes, it is this test.
		eventually(t, name, func() bool {
			p = l.At(cmd.Process.Pid)
			return p != nil && len(p.Args) == len(argv) && p.Args[len(p.Args)-1] == argv[len(argv)-1]
		})
		if p.Foreign != want || p.Signer != "" {
			t.Errorf("%s: foreign %v, signer %q, want %v and none: %+v", name, p.Foreign, p.Signer, want, p)
		}
	}
	run("a program", false, nil, tool, "61")
	run("a program with harmless settings", false, []string{"NODE_OPTIONS=--require " + evil, "LANG=C"}, tool, "62")
	run("a library before its own", true, []string{"LD_PRELOAD=" + home + "/evil.so"}, tool, "63")
	run("a library that listens", true, []string{"LD_AUDIT=" + home + "/evil.so"}, tool, "64")
	// A folder of one's own counts if it holds what the program looks for.
	libraries, libc := t.TempDir(), "/lib/x86_64-linux-gnu/libc.so.6"
	if err := executable.Copy(libc, filepath.Join(libraries, "libc.so.6")); err != nil {
		t.Log("not tried, as this is another system or processor: ", err)
	} else {
		run("libraries from a folder of one's own", true, []string{"LD_LIBRARY_PATH=/usr/lib:" + libraries}, tool, "65")
		run("libraries from where it is started", true, []string{"LD_LIBRARY_PATH=/usr/lib:", "WORMBELL_CWD=" + libraries}, tool, "66")
	}
	run("a folder of one's own without any", false, []string{"LD_LIBRARY_PATH=/usr/lib:" + home}, tool, "68")
	run("from where it is started without any", false, []string{"LD_LIBRARY_PATH=/usr/lib:", "WORMBELL_CWD=" + home}, tool, "69")
	run("libraries from a folder of root's", false, []string{"LD_LIBRARY_PATH=/usr/lib"}, tool, "67")
	run("a script", false, []string{"NODE_OPTIONS=--max-old-space-size=100"}, "node", script)
	run("a script with another before it", true, []string{"NODE_OPTIONS=--require " + evil}, "node", script)
	run("a script with another before it, by a flag", true, nil, "node", "--require", evil, script)
}
