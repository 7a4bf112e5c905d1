package dashboard

import (
	"fmt"
	"net/http"
	"slices"
	"time"
	"wormbell"
	"wormbell/internal/words"
)

func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) error {
	st, err := s.status(r.Context())
	if err != nil {
		return err
	}
	s.usage.add(st, s.c.Now())
	v := struct {
		Status  wormbell.Status
		Blind   []unseen
		Average string // per cent of a core since it started
		Memory  string
		Uptime  string
		Charts  []*chart
	}{Status: st, Blind: s.blind(st), Average: "–", Memory: megabytes(st.RSS), Uptime: s.span(time.Duration(st.Uptime * float64(time.Second)))}
	if st.Uptime > 0 {
		v.Average = percent(100 * st.CPU / st.Uptime)
	}
	v.Charts = s.charts()
	s.show(w, r, http.StatusOK, "status", page{Title: s.c.Words.Say(words.DashStatus), Nav: "status", Topics: topicStatus + " " + topicAlerts, Status: &st, Data: v})
	return nil
}

// charts draws the agent's own load.
func (s *Server) charts() (out []*chart) {
	points := s.usage.get()
	var cpu, rss []float64
	for _, p := range points {
		cpu, rss = append(cpu, p.CPU), append(rss, float64(p.RSS))
	}
	if len(points) < 2 {
		return nil
	}
	top := round(max(slices.Max(cpu), 0.1), 0.1)
	c := plot("cpu", cpu, top)
	c.Title, c.Top = s.c.Words.Say(words.DashChartCPU), percent(top)
	c.Desc = s.c.Words.Say(words.DashChartNow, percent(cpu[len(cpu)-1]), percent(slices.Max(cpu)))
	topRSS := round(max(slices.Max(rss), 1<<20)/(1<<20), 1) * (1 << 20)
	m := plot("memory", rss, topRSS)
	m.Title, m.Top = s.c.Words.Say(words.DashChartMemory), megabytes(int64(topRSS))
	m.Desc = s.c.Words.Say(words.DashChartNow, megabytes(int64(rss[len(rss)-1])), megabytes(int64(slices.Max(rss))))
	return []*chart{c, m}
}

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
