package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"wormbell"
	"wormbell/agent/client"
	"wormbell/internal/words"
)

func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) error {
	st, err := s.status(r.Context())
	if err != nil {
		return err
	}
	v := struct {
		Status  wormbell.Status
		Blind   []unseen
		Average string // per cent of a core since it started
		Memory  string
		Uptime  string
		Charts  []*chart
		Losses  []loss // of the last day, newest first
		Set     []setting
	}{Status: st, Blind: s.blind(st), Average: "–", Memory: megabytes(st.RSS), Uptime: s.span(time.Duration(st.Uptime * float64(time.Second)))}
	if st.Uptime > 0 {
		v.Average = percent(100 * st.CPU / st.Uptime)
	}
	usage, err := s.usage(r.Context())
	if err != nil {
		return err
	}
	v.Set = s.settings(st.Settings)
	v.Charts, v.Losses = s.charts(usage), s.losses(usage)
	s.show(w, r, http.StatusOK, "status", page{Title: s.c.Words.Say(words.DashStatus), Nav: "status", Topics: topicStatus + " " + topicAlerts, Status: &st, Data: v})
	return nil
}

// setting is a setting as the page shows it.
type setting struct{ Key, Value, From, LockedBy string }

func (s *Server) settings(all []wormbell.Setting) (rows []setting) {
	w := s.c.Words
	for _, x := range all {
		r := setting{Key: x.Key, From: x.From, LockedBy: x.LockedBy}
		switch v := x.Value.(type) {
		case bool:
			r.Value = w.Say(words.DashSetOff)
			if v {
				r.Value = w.Say(words.DashSetOn)
			}
		case []any:
			names := make([]string, len(v))
			for i := range v {
				names[i] = fmt.Sprint(v[i])
			}
			r.Value = strings.Join(names, ", ")
		case string:
			r.Value = v
			if v == wormbell.Allowed {
				r.Value = w.Say(words.DashSetAllowed)
			} else if v == wormbell.Refused {
				r.Value = w.Say(words.DashSetRefused)
			}
		}
		if r.Value == "" {
			r.Value = w.Say(words.DashSetNone)
		}
		if r.From == wormbell.FromDefault {
			r.From = w.Say(words.DashSetDefault)
		}
		rows = append(rows, r)
	}
	return rows
}

// usage is what the agent took in the last day, oldest first; nothing if it is
// an older one that does not know.
func (s *Server) usage(ctx context.Context) ([]wormbell.Usage, error) {
	a, err := s.ask()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	list, err := a.Usage(ctx)
	var said *client.Error
	if errors.As(err, &said) && (said.Status == http.StatusNotFound || said.Status == http.StatusNotImplemented) {
		return nil, nil
	}
	return list, err
}

// leastSpan is how long, in seconds, it has to be measured to say something: the
// clock of a process ticks in hundredths.
const leastSpan = 5

// charts draws what the agent took.
func (s *Server) charts(usage []wormbell.Usage) []*chart {
	var cpu, rss []stretch
	var used, time, most, mostRSS float64
	for _, u := range usage {
		if u.Seconds < leastSpan {
			continue
		}
		from := u.Time.Add(-seconds(u.Seconds))
		share := 100 * u.CPU / u.Seconds
		cpu = append(cpu, stretch{from, u.Time, share})
		rss = append(rss, stretch{from, u.Time, float64(u.RSS)})
		used, time = used+u.CPU, time+u.Seconds
		most, mostRSS = max(most, share), max(mostRSS, float64(u.RSS))
	}
	top := round(max(most, 0.1), 0.1)
	topRSS := round(max(mostRSS, 1<<20)/(1<<20), 1) * (1 << 20)
	c, m := plot("cpu", cpu, top), plot("memory", rss, topRSS)
	if c == nil || m == nil {
		return nil
	}
	since := s.at(cpu[0].From)
	c.Title, c.Top, c.From = s.c.Words.Say(words.DashChartCPU), percent(top), since
	c.Desc = s.c.Words.Say(words.DashChartLate, percent(cpu[len(cpu)-1].V), percent(100*used/time), percent(most))
	m.Title, m.Top, m.From = s.c.Words.Say(words.DashChartMemory), megabytes(int64(topRSS)), since
	m.Desc = s.c.Words.Say(words.DashChartNow, megabytes(int64(rss[len(rss)-1].V)), megabytes(int64(mostRSS)))
	if used == 0 { // it is not known here
		return []*chart{m}
	}
	return []*chart{c, m}
}

// loss is events that were lost, and when.
type loss struct {
	Count    int
	From, To string
}

// losses tells in which spans events were lost, newest first.
func (s *Server) losses(usage []wormbell.Usage) (out []loss) {
	for _, u := range slices.Backward(usage) {
		if u.Lost > 0 {
			out = append(out, loss{u.Lost, s.at(u.Time.Add(-seconds(u.Seconds))), s.at(u.Time)})
		}
	}
	return out
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// at is when t is, in words.
func (s *Server) at(t time.Time) string { return s.c.Words.At(t, s.c.Now().In(s.c.Zone)) }

// span is a duration in its two greatest units.
func (s *Server) span(d time.Duration) string {
	h, m := int(d.Hours()), int(d.Minutes())%60
	switch {
	case h >= 24:
		return s.c.Words.Say(words.DashDaysHours, h/24, h%24)
	case h > 0:
		return s.c.Words.Say(words.DashHoursMinutes, h, m)
	}
	return s.c.Words.Say(words.DashMinutes, m)
}

func percent(v float64) string {
	switch {
	case v >= 10:
		return fmt.Sprintf("%.0f %%", v)
	case v >= 0.1 || v == 0:
		return fmt.Sprintf("%.1f %%", v)
	}
	return fmt.Sprintf("%.2f %%", v)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }
