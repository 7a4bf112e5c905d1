package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"wormbell"
	"wormbell/internal/secretservice"
	"wormbell/internal/verdaccio"
)

// linkForm is how a link to the dashboard looks.
var linkForm = regexp.MustCompile(`http://127\.0\.0\.1:\d+/enter\?ticket=[A-Za-z0-9_-]{43}`)

// dashboard has the person type `wormbell dashboard` at their shell, to run
// beside it. Their browser is a program that notes the links that it is given:
// opened are those so far.
func (s *stage) dashboard() (link string, opened func() []string) {
	s.t.Helper()
	s.write("~/browser", "#!/bin/sh\necho \"$1\" >>~/opened\n")
	if err := os.Chmod(s.path("~/browser"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	opened = func() []string {
		b, _ := os.ReadFile(s.path("~/opened"))
		return strings.Fields(string(b))
	}
	s.shell.types("export BROWSER=" + quoted(s.path("~/browser")))
	cmd := s.command("dashboard")
	line := "env"
	for _, word := range append(cmd.Env, cmd.Args...) {
		line += " " + quoted(word)
	}
	s.shell.pty.WriteString(line + " & dashboard=$!\n")
	s.t.Cleanup(func() { s.shell.types("kill $dashboard; wait $dashboard") })
	s.until("the link", 30*time.Second, func() bool {
		link = linkForm.FindString(s.shell.out.String())
		return link != "" && len(opened()) == 1
	})
	if got := opened()[0]; got != link {
		s.t.Error("what is printed and what is opened are two links")
	}
	return link, opened
}

// window is a real browser of the person's.
type window struct {
	*stage
	ctx context.Context
}

func (s *stage) browse(link string) window {
	s.t.Helper()
	exe, err := exec.LookPath("chromium")
	if err != nil {
		s.t.Skip("needs chromium")
	}
	profile := scratch(s.t, "e2e-browser")
	if err := os.Chown(profile, person, person); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(profile), chromedp.Env("HOME="+profile), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			if cmd.SysProcAttr == nil {
				cmd.SysProcAttr = &syscall.SysProcAttr{}
			}
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(person), Gid: uint32(person)}
		}))...)
	s.t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	s.t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	s.t.Cleanup(cancel)
	w := window{s, ctx}
	w.do(chromedp.Navigate(link))
	return w
}

func (w window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

// text is what the page says.
func (w window) text() string {
	text, _ := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.body ? location.pathname + '\\n' + document.body.innerText : ''")) // "" while it goes away
	return text
}

// sees waits until an expression holds in the page.
func (w window) sees(what, js string) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		raw, err := chromedp.Run(w.ctx, chromedp.Evaluate[[]byte]("(() => { try { return !!("+js+") } catch { return false } })()"))
		if err == nil && string(raw) == "true" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waited for %s; the page says\n%s", what, w.text())
		}
	}
}

// press clicks what a selector names once it is there.
func (w window) press(selector string) {
	w.t.Helper()
	w.sees(selector, "document.querySelector('"+selector+"')")
	w.do(chromedp.Evaluate[chromedp.Void]("document.querySelector('" + selector + "').click()"))
}

// within types a program at the person's shell and returns its exit status. One
// that goes on, as a dashboard does that has nobody to ask, fails the test.
func (s *stage) within(limit time.Duration, cmd *exec.Cmd) int {
	s.t.Helper()
	p := s.shell.start(cmd)
	select {
	case <-p.done:
	case <-time.After(limit):
		s.t.Fatalf("%q still runs after %v", cmd.Args, limit)
	}
	return p.wait()
}

func (w window) shot(name string) {
	dir := os.Getenv("WORMBELL_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		w.t.Error(err)
	}
}

// TestDashboard: a person has the dashboard open in a real browser when a worm
// steals their token; the alert comes up, they look at it, respond, type their
// password, and are told that all is done.
func TestDashboard(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	old := v.AddToken(v.AddUser("dev", password), password, false)
	s := setHome(t, v.URL, old, secretservice.Start(t, secretservice.Config{UID: person}))
	link, opened := s.dashboard()
	w := s.browse(link)
	w.sees("the quiet page", "document.querySelector('.calm') && document.body.dataset.topics")
	w.do(chromedp.Evaluate[chromedp.Void]("window.same = true"))

	s.steal()
	w.sees("the alert, without a reload", "window.same && document.querySelector('[data-id=\""+s.alert.ID+"\"]')")
	w.shot("e2e-alert-appears")

	// A second one has the first open a page, and says no link.
	var out bytes.Buffer
	second := s.command("dashboard", "--open", "/alerts/"+s.alert.ID)
	second.Env = append(second.Env, "BROWSER=/bin/false")
	second.Stdout, second.Stderr = &out, &out
	if code := s.within(time.Minute, second); code != 0 || strings.Contains(out.String(), "ticket") {
		t.Fatalf("a second dashboard: exit %d, %s", code, linkForm.ReplaceAllString(out.String(), "(a link)"))
	}
	links := opened()
	if len(links) != 2 || !linkForm.MatchString(links[1]) || strings.Split(links[1], "/enter")[0] != strings.Split(link, "/enter")[0] {
		t.Fatalf("%d links were opened, the second not by the first dashboard", len(links))
	}
	w.do(chromedp.Navigate(links[1]))
	w.sees("the tree as a picture", "document.querySelector('svg.tree.wide text') && document.querySelector('svg.tree.wide').getBoundingClientRect().height > 40")
	picture, err := chromedp.Run(w.ctx, chromedp.Evaluate[string]("[...document.querySelectorAll('svg.tree.wide text')].map(t => t.textContent).join('\\n')"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"npm", "node steal.js", "postinstall script of evil@1.0.0", "read ~/.npmrc"} {
		if !strings.Contains(picture, want) {
			t.Errorf("the picture does not say %q:\n%s", want, picture)
		}
	}
	w.shot("e2e-alert")

	w.press(".actions a.main")
	w.sees("the plan", "document.getElementById('start')")
	if v.Whoami(old) != "dev" || state(s.pids[0]) == "T" {
		t.Error("something was done before anybody agreed")
	}
	w.shot("e2e-plan")
	w.press("#start")
	w.sees("the question for the password", "document.getElementById('secret')")
	w.shot("e2e-password")
	w.do(chromedp.SendKeys("#secret", password))
	w.press(".question button.main")
	w.sees("that all is done", "document.getElementById('complete')")
	w.shot("e2e-done")
	s.quietSince() // before the test itself reads anything
	said := w.text()
	for _, secret := range []string{old, password, s.now()} {
		if strings.Contains(said, secret) {
			t.Error("a secret stands in the page")
		}
	}
	if who := v.Whoami(old); who != "" {
		t.Errorf("the registry still takes the stolen token as %q's", who)
	}
	fresh := s.now()
	if fresh == old {
		t.Error("the stolen token still stands in ~/.npmrc")
	}
	if who := s.whoami(); who != "dev" {
		t.Errorf("npm whoami says %q", who)
	}
	for _, pid := range s.pids {
		s.until("the worm to be gone", time.Minute, func() bool { st := state(pid); return st == "" || st == "Z" })
	}
	// It was started in a terminal, so the agent let it close the alert.
	for _, a := range s.alerts("--all") {
		if a.ID == s.alert.ID && a.State != wormbell.Closed {
			t.Errorf("the alert is %s", a.State)
		}
	}
	s.nowhere(fresh, password)
}

// TestDemoOnDashboard: a person has the dashboard open and runs the
// demonstration. The worm of it shows without a reload, with its processes as a
// picture; they press Respond, and are told that there is nothing to do. When the
// agent ends, and when it is back, the page says so.
func TestDemoOnDashboard(t *testing.T) {
	v := verdaccio.Start(t)
	const password = "a-password-of-the-test"
	own := v.AddToken(v.AddUser("dev", password), password, false)
	s := setHome(t, v.URL, own, secretservice.Start(t, secretservice.Config{UID: person}))
	link, _ := s.dashboard()
	w := s.browse(link)
	w.sees("the quiet page", "document.querySelector('.calm') && document.body.dataset.topics")
	w.do(chromedp.Evaluate[chromedp.Void]("window.same = true"))

	demo := s.background(filepath.Join(bin, "wormbell"), "--socket", s.socket, "demo", "shai-hulud", "--fast")
	w.sees("the demonstration, without a reload", "window.same && document.querySelector('.entry [href*=\"/alerts/\"]') && document.querySelector('.entry').innerText.includes('demonstration')")
	w.sees("that it publishes", "window.same && document.querySelector('.entry.s-critical h3').innerText.includes('colour-strings')")
	w.shot("e2e-demo-list")
	w.press(".entry.s-critical h3 a")
	w.sees("the tree as a picture", "document.querySelector('svg.tree.wide text') && document.querySelector('svg.tree.wide').getBoundingClientRect().height > 40")
	for _, want := range []string{"npm", "postinstall.js", "colour-strings@", "~/.npmrc", "tried to publish"} {
		w.sees(want, "[...document.querySelectorAll('svg.tree.wide text')].map(t => t.textContent).join('\\n').includes('"+want+"')")
	}
	select {
	case <-demo.done:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the demonstration does not end\n%s", demo.out)
	}
	if code := demo.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the demonstration: exit %d\n%s", code, demo.out)
	}
	w.shot("e2e-demo-alert")

	w.press(".actions a.main")
	w.sees("the plan", "document.getElementById('start')")
	w.shot("e2e-demo-plan")
	w.press("#start")
	w.sees("that all is done", "document.getElementById('complete')")
	w.shot("e2e-demo-done")

	// The agent ends, and comes back; the page that is open says so.
	w.press(".crumb a")
	w.sees("the quiet page again", "document.querySelector('.calm a[href$=\"state=all\"]')")
	w.do(chromedp.Evaluate[chromedp.Void]("window.same = true"))
	s.stop()
	w.sees("that nobody watches", "window.same && document.querySelector('#gone.absent') && !document.body.innerText.includes('No open alerts')")
	s.launch(options{})
	s.ready()
	w.sees("that it is back", "window.same && document.querySelector('.calm h2').innerText.includes('No open alerts')")
	if who, now := v.Whoami(own), s.now(); who != "dev" || now != own { // last, as reading it rings
		t.Errorf("after a demonstration the person's own token is %q's, and stands in its file: %v", who, now == own)
	}
}
