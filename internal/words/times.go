package words

import "time"

const (
	spanSeconds Key = "span-seconds"
	spanMinutes Key = "span-minutes"
	spanHours   Key = "span-hours"
	spanDays    Key = "span-days"

	agoNow       Key = "ago-now"
	agoMinutes   Key = "ago-minutes"
	agoHours     Key = "ago-hours"
	agoYesterday Key = "ago-yesterday"
	agoDays      Key = "ago-days"

	atToday     Key = "at-today"
	atYesterday Key = "at-yesterday"
	atTomorrow  Key = "at-tomorrow"
	atDate      Key = "at-date"
)

// timeTexts say times.
var timeTexts = map[Key]text{
	spanSeconds: {En: `%[1]d seconds`, Ja: `%[1]d 秒`, One: `a second`},
	spanMinutes: {En: `%[1]d minutes`, Ja: `%[1]d 分`, One: `a minute`},
	spanHours:   {En: `%[1]d hours`, Ja: `%[1]d 時間`, One: `an hour`},
	spanDays:    {En: `%[1]d days`, Ja: `%[1]d 日`, One: `a day`},

	agoNow:       {En: `just now`, Ja: `たった今`},
	agoMinutes:   {En: `%[1]d minutes ago`, Ja: `%[1]d 分前`, One: `a minute ago`},
	agoHours:     {En: `%[1]d hours ago`, Ja: `%[1]d 時間前`, One: `an hour ago`},
	agoYesterday: {En: `yesterday`, Ja: `昨日`},
	agoDays:      {En: `%[1]d days ago`, Ja: `%[1]d 日前`},

	atToday:     {En: `today at %[1]s`, Ja: `今日 %[1]s`},
	atYesterday: {En: `yesterday at %[1]s`, Ja: `昨日 %[1]s`},
	atTomorrow:  {En: `tomorrow at %[1]s`, Ja: `明日 %[1]s`},
	atDate:      {En: `%[1]s at %[2]s`, Ja: `%[1]s %[2]s`},
}

// Ago says how long t is past, as seen at now. What is to come, and what is
// longer past than a month, is said by its date.
func (w *Words) Ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < -time.Minute: // a clock may be a little off
		return w.At(t, now)
	case d < time.Minute:
		return w.Say(agoNow)
	case d < time.Hour:
		return w.Say(agoMinutes, int(d.Minutes()))
	case d < 24*time.Hour:
		return w.Say(agoHours, int(d.Hours()))
	}
	switch n := days(t, now); {
	case n <= 1:
		return w.Say(agoYesterday)
	case n <= 31:
		return w.Say(agoDays, n)
	}
	return w.At(t, now)
}

// At says when t is, to the minute, in the time zone of now: "today at 14:03",
// "3 Jan at 14:03", and in another year "3 Jan 2025 at 14:03".
func (w *Words) At(t, now time.Time) string {
	t = t.In(now.Location())
	clock := t.Format("15:04")
	switch n := days(t, now); {
	case n == 0:
		return w.Say(atToday, clock)
	case n == 1:
		return w.Say(atYesterday, clock)
	case n == -1:
		return w.Say(atTomorrow, clock)
	}
	date, year := "2 Jan", "2 Jan 2006"
	if w.japanese() {
		date, year = "1月2日", "2006年1月2日"
	}
	if t.Year() == now.Year() {
		return w.Say(atDate, t.Format(date), clock)
	}
	return w.Say(atDate, t.Format(year), clock)
}

// days is how many midnights lie between t and now, by the zone of now.
func days(t, now time.Time) int {
	day := func(t time.Time) time.Time {
		y, m, d := t.In(now.Location()).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return int(day(now).Sub(day(t)) / (24 * time.Hour))
}
