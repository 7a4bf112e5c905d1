package api_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormbell"
	"wormbell/watchers"
)

// What a thief's environment held is told by name. The values are nowhere: not
// in what the API answers, not in the database, not in the log.
func TestNoValueOfAnEnvironment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lineage := watchers.NewLineage(watchers.LineageConfig{})
	t.Cleanup(lineage.Close)
	canary := "canary" + strconv.Itoa(os.Getpid())
	thief := exec.Command("/bin/sh", "-c", "read x")
	thief.Env = []string{"NPM_TOKEN=" + canary, "npm_config_//registry.example.com/:_authToken=" + canary, "PGPASSWORD=" + canary, "HOME=/" + canary, "X=" + canary}
	in, err := thief.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := thief.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); thief.Wait() })
	var p *wormbell.Process
	for end := time.Now().Add(20 * time.Second); p == nil || len(p.Secrets) == 0; time.Sleep(5 * time.Millisecond) {
		if p = lineage.At(thief.Process.Pid); time.Now().After(end) {
			t.Fatalf("never seen with its environment: %+v", p)
		}
	}
	id := r.raise(strconv.Itoa(os.Getuid()), p)
	_, out := r.ask("GET", "alerts/"+id, "")
	if !strings.Contains(out, `"secrets":["NPM_TOKEN","PGPASSWORD","npm_config_//registry.example.com/:_authToken"]`) {
		t.Errorf("the names are not told: %s", out)
	}
	_, list := r.ask("GET", "alerts?all=1", "")
	told := []string{out, list, r.log.String()}
	files, _ := filepath.Glob(filepath.Join(r.dir, "*"))
	if len(files) == 0 {
		t.Fatal("there is no state to look at")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, string(b))
	}
	if slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, canary) }) {
		t.Error("a value is told or kept")
	}
}
