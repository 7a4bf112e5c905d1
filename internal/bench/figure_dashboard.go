package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"wormbell"
	"wormbell/agent/alert"
)

// plantedAlerts is how many alerts there were in the agent's life; it keeps what
// its bounds allow, and lists fewer.
const plantedAlerts = 10_000

// paint are the times of one visit of a page, in milliseconds from the click on
// its address, and what came over the wire for it, headers included, in bytes;
// https://www.w3.org/TR/paint-timing/, https://www.w3.org/TR/resource-timing/.
const paint = `(async () => {
	const first = await new Promise(done => new PerformanceObserver(l => {
		const e = l.getEntriesByName('first-contentful-paint')[0]
		if (e) done(e.startTime)
	}).observe({type: 'paint', buffered: true}))
	if (document.readyState !== 'complete') await new Promise(done => addEventListener('load', done))
	const n = performance.getEntriesByType('navigation')[0]
	const all = [n, ...performance.getEntriesByType('resource')].reduce((sum, e) => sum + e.transferSize, 0)
	return JSON.stringify({paint: first, answer: n.responseEnd, bytes: all, rows: document.querySelectorAll('[data-id]').length})
})()`

// measureDashboard takes the time until a real browser shows something of the
// list of alerts, of an agent that has had ten thousand.
func measureDashboard(ctx context.Context, b *bench) ([]row, error) {
	rounds := b.pick(30, 8)
	browser, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("find a browser: %w", err)
	}
	h, err := b.newHome()
	if err != nil {
		return nil, err
	}
	defer h.close()
	kept, err := plantAlerts(ctx, filepath.Join(h.dir, "state-1"))
	if err != nil {
		return nil, err
	}
	a, err := h.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	link, end, err := h.dashboard(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(filepath.Join(h.dir, "browser")), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := a.calm(ctx); err != nil {
		return nil, err
	}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return nil, fmt.Errorf("start the browser: %w", err)
	}
	// What the browser needs for next to nothing; its own start is not measured.
	var least sample
	for n := range rounds {
		t, err := visit(ctx, "data:text/html,<p data-id>x")
		if err != nil {
			return nil, err
		}
		if n > 0 {
			least = append(least, t.Paint)
		}
	}
	cold, err := visit(ctx, link)
	if err != nil {
		return nil, err
	}
	base, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href"))
	if err != nil {
		return nil, fmt.Errorf("ask where the link led: %w", err)
	}
	var paints, answers sample
	for range rounds {
		for _, query := range []string{"/?state=all", "/"} {
			t, err := visit(ctx, strings.TrimSuffix(base, "/")+query)
			if err != nil {
				return nil, err
			}
			paints, answers = append(paints, t.Paint), append(answers, t.Answer)
		}
	}
	scale := fmt.Sprintf("dashboard: first paint of the list, %d alerts", plantedAlerts)
	note := fmt.Sprintf("of which the agent keeps %d, in headless Chromium; %d visits of the open ones and of all in turn, %s ms, %.0f ms in the median, of which %.0f ms until the answer was there. A page of one letter, from no server, takes %.0f ms in the same browser, %s ms",
		kept, len(paints), paints.spread("%.0f"), paints.median(), answers.median(), least.median(), least.spread("%.0f"))
	return []row{
		{What: scale + ", p95", Reach: "≤ 200 ms", Reached: fmt.Sprintf("%.0f ms", paints.quantile(0.95)), Met: paints.quantile(0.95) <= 200, Note: note},
		{What: scale + ", the first time", Reach: "≤ 200 ms", Reached: fmt.Sprintf("%.0f ms", cold.Paint), Met: cold.Paint <= 200,
			Note: fmt.Sprintf("once: by the link, in a browser that knows nothing of the page, from a dashboard that has just started; %d rows, %.0f ms until the answer was there", cold.Rows, cold.Answer)},
		{What: "dashboard: weight of that page", Reach: "≤ 150 kB", Reached: fmt.Sprintf("%.1f kB", cold.Bytes/1000), Met: cold.Bytes <= 150_000,
			Note: fmt.Sprintf("with its style and its script, uncompressed and with all headers, of %d rows; nothing is asked of any other host", cold.Rows)},
	}, nil
}

// timing is what [paint] says.
type timing struct {
	Paint, Answer, Bytes float64
	Rows                 int
}

func visit(ctx context.Context, page string) (t timing, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		return t, fmt.Errorf("visit the dashboard: %w", err)
	}
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](paint, chromedp.EvalAwaitPromise))
	if err != nil {
		return t, fmt.Errorf("ask when the page showed: %w", err)
	}
	if err := json.Unmarshal([]byte(said), &t); err != nil {
		return t, fmt.Errorf("read when the page showed: %w", err)
	}
	if t.Rows == 0 {
		return t, errors.New("the page shows no alert")
	}
	return t, nil
}

// plantAlerts makes a store in which findings of as many trees were recorded,
// most of them closed, and returns how many alerts it keeps.
func plantAlerts(ctx context.Context, dir string) (kept int, err error) {
	now := time.Now().Add(-plantedAlerts * time.Minute)
	s, err := alert.Open(alert.Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		return 0, fmt.Errorf("make the alerts: %w", err)
	}
	defer s.Close()
	shell := &wormbell.Process{PID: 50, Start: now, Exe: "/usr/bin/bash", Args: []string{"-bash"}, TTY: "/dev/pts/3", Leader: true, Signer: "deb:bash", User: "0"}
	for i := range plantedAlerts {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		now = now.Add(time.Minute)
		pkg := wormbell.Package{Ecosystem: "npm", Name: fmt.Sprintf("parcel-%d", i), Version: "1.0.0"}
		npm := &wormbell.Process{PID: 1000 + 3*i, Start: now, Exe: "/usr/bin/node", Script: "/usr/share/nodejs/npm/bin/npm-cli.js", Args: []string{"npm", "install"}, Signer: "deb:npm", TTY: shell.TTY, User: "0", Parent: shell}
		thief := &wormbell.Process{PID: 1001 + 3*i, Start: now, Exe: "/usr/bin/node", Script: "/work/node_modules/parcel/steal.js", Args: []string{"node", "steal.js"}, Lifecycle: "postinstall", Package: &pkg, User: "0", Parent: npm}
		f := wormbell.Finding{Detector: "credential-read", Subject: "~/.npmrc", Summary: "postinstall of " + pkg.String() + " read your npm tokens", Severity: wormbell.High, Process: thief, Time: now,
			Evidence: []wormbell.Event{{Time: now, Kind: wormbell.FileRead, Source: "fanotify", User: "0", Process: thief, Path: "~/.npmrc"}}}
		a, err := s.Record(f, alert.Meta{Title: "A program reads your credentials"})
		if err != nil {
			return 0, fmt.Errorf("make the alerts: %w", err)
		}
		if i < plantedAlerts-400 {
			if _, err := s.SetState(a.ID, wormbell.Closed, "0", "planted"); err != nil {
				return 0, fmt.Errorf("make the alerts: %w", err)
			}
		}
	}
	return len(s.Alerts(alert.Filter{})), nil
}

// dashboard starts one and returns its link and what ends it.
func (h *home) dashboard(ctx context.Context) (link string, end func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := h.command(ctx, "~", filepath.Join(h.bench.bin, "wormbell"), "--socket", h.socket, "dashboard", "--no-browser")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("start the dashboard: %w", err)
	}
	end = func() { cancel(); cmd.Wait() } // it is ended on purpose
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if link = linkForm.FindString(lines.Text()); link != "" {
			return link, end, nil
		}
	}
	end()
	return "", nil, errors.New("the dashboard says no link")
}

var linkForm = regexp.MustCompile(`http://127\.0\.0\.1:\d+/enter\?ticket=[A-Za-z0-9_-]+`)
