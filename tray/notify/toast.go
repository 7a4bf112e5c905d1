package notify

import (
	"encoding/xml"
	"fmt"
	"strings"

	"wormbell"
	"wormbell/internal/plain"
)

// toastXML is n as Windows wants it (the toast content schema). launch goes
// before what an activation hands back: it is known to nobody else, so that no
// other program can press our buttons. It is made by encoding/xml; the
// template of the toast library escapes nothing.
func toastXML(n Notice, launch string) (string, error) {
	type text struct {
		Text string `xml:",chardata"`
	}
	type action struct {
		Type      string `xml:"activationType,attr"`
		Content   string `xml:"content,attr"`
		Arguments string `xml:"arguments,attr"`
	}
	type actions struct {
		Action []action `xml:"action"`
	}
	type audio struct {
		Silent bool `xml:"silent,attr"`
	}
	type toast struct {
		XMLName  xml.Name `xml:"toast"`
		Type     string   `xml:"activationType,attr"`
		Launch   string   `xml:"launch,attr"`
		Scenario string   `xml:"scenario,attr,omitempty"`
		Binding  struct {
			Template string `xml:"template,attr"`
			Texts    []text `xml:"text"`
		} `xml:"visual>binding"`
		Actions *actions `xml:"actions"`
		Audio   *audio   `xml:"audio"`
	}
	t := toast{Type: "foreground", Launch: toastArguments(launch, n.ID, Details)}
	t.Binding.Template = "ToastGeneric"
	t.Binding.Texts = []text{{plain.Text(n.Title)}, {plain.Text(n.Body)}}
	for _, b := range n.Buttons[:min(len(n.Buttons), maxToastButtons)] {
		if t.Actions == nil {
			t.Actions = &actions{}
		}
		t.Actions.Action = append(t.Actions.Action, action{"foreground", plain.Text(b.Label), toastArguments(launch, n.ID, b.Action)})
	}
	if n.Sticky && t.Actions != nil {
		t.Scenario = "reminder" // it stays until it is answered; Windows ignores that where there is no button
	}
	if n.Severity <= wormbell.Medium {
		t.Audio = &audio{true}
	}
	b, err := xml.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("compose a toast: %w", err)
	}
	return string(b), nil
}

// maxToastButtons is how many Windows shows; with more it shows no toast.
const maxToastButtons = 5

// toastArguments is what an activation hands back.
func toastArguments(launch, id string, action Action) string {
	return launch + " " + string(action) + " " + id
}

// toastAnswer reads what an activation handed back, of notices as they were
// shown.
func toastAnswer(launch, arguments string, shown map[string]Notice) (Answer, bool) {
	fields := strings.Split(arguments, " ")
	if launch == "" || len(fields) != 3 || fields[0] != launch {
		return Answer{}, false
	}
	n, ok := shown[fields[2]]
	if !ok {
		return Answer{}, false
	}
	a := Answer{n.ID, Action(fields[1])}
	if a.Action == Details {
		return a, true
	}
	for _, b := range n.Buttons {
		if b.Action == a.Action {
			return a, true
		}
	}
	return Answer{}, false
}
