package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// What is told of the times that the agent did not end as it should.
const (
	// pastTold is how long after the last one: a person should hear of what may
	// not have been seen, and not for weeks.
	pastTold = time.Hour
	pastDay  = 24 * time.Hour
	pastMost = 50
)

// Keys of the store's settings.
const (
	pastSetting    = "restarts" // JSON of []restart
	runningSetting = "running"  // the boot during which an agent runs, "" once it has ended as it should
)

// whyUnknown is said where only that it happened is known.
const whyUnknown = "it was ended together with its watchdog"

// restart is one time that the agent was started again because the one before
// had not ended as it should.
type restart struct {
	Time time.Time `json:"time"`
	Why  string    `json:"why"`
}

// past is what is known of those times. Make it with newPast.
type past struct {
	store lasting
	log   *slog.Logger
	list  []restart // of the last day, oldest first
}

// newPast notes that an agent runs, and why it was started again if it was:
// again is what the watchdog says, and where that has gone too, the note of an
// agent of this boot that never ended says that it did.
func newPast(store lasting, log *slog.Logger, again string) *past {
	return loadPast(store, log, again, bootID(), time.Now())
}

func loadPast(store lasting, log *slog.Logger, again, boot string, now time.Time) *past {
	p := &past{store: store, log: log}
	if s := store.Setting(pastSetting); s != "" {
		if err := json.Unmarshal([]byte(s), &p.list); err != nil {
			log.Warn("when the agent was started again before cannot be read", "err", err)
		}
	}
	p.list = p.day(now)
	was := store.Setting(runningSetting)
	if again == "" && was != "" && was == boot {
		again = whyUnknown
	}
	if again != "" {
		log.Warn("the agent was started again", "why", again)
		p.list = append(p.list, restart{now.UTC().Round(0), again})
		p.list = p.list[max(len(p.list)-pastMost, 0):]
		b, err := json.Marshal(p.list)
		if err == nil {
			err = store.SetSetting(pastSetting, string(b))
		}
		if err != nil {
			log.Warn("that the agent was started again cannot be kept", "err", err)
		}
	}
	if boot != "" {
		p.note(boot)
	}
	return p
}

func (p *past) note(boot string) {
	if err := p.store.SetSetting(runningSetting, boot); err != nil {
		p.log.Warn("that the agent runs cannot be kept", "err", err)
	}
}

// end notes that the agent ends as it should.
func (p *past) end() { p.note("") }

// day returns what is no older than a day.
func (p *past) day(now time.Time) (list []restart) {
	for _, r := range p.list {
		if age := now.Sub(r.Time); age >= 0 && age < pastDay {
			list = append(list, r)
		}
	}
	return list
}

// problem is what the status says of it, "" if there is nothing, or no longer.
func (p *past) problem(now time.Time) string {
	list := p.day(now)
	if len(list) == 0 || now.Sub(list[len(list)-1].Time) > pastTold {
		return ""
	}
	last := list[len(list)-1]
	at := last.Time.Format(time.RFC3339)
	if len(list) == 1 {
		return fmt.Sprintf("the agent was started again at %s because %s; what happened until then may not have been seen", at, last.Why)
	}
	return fmt.Sprintf("the agent was started again at %s because %s; what happened until then may not have been seen (%d times in a day)", at, last.Why, len(list))
}
