package words

import "wormbell"

// alertTexts are the sentences about alerts.
var alertTexts = map[Key]text{}

// Told is what an alert says to a person, in one language and fit to be seen.
type Told struct {
	Title string // what happened, in a few words
	What  string // the whole sentence: who (which package, which script), did what, to what
	Next  string // what to do next
}

// Alert tells an alert. What the agent wrote is English; the sentence is made
// anew from its findings, and where that cannot be done what the agent wrote
// stands.
func (w *Words) Alert(a wormbell.Alert) Told {
	return Told{Title: a.Title, Next: a.Advice}
}
