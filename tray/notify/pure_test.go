package notify

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"wormbell"
)

const evil = "</text><action content=\"x\" arguments=\"y\"/>]]> & \x1b[2J \u202e \x00 \xff"

func TestToastXML(t *testing.T) {
	t.Parallel()
	n := Notice{ID: "a1b2c3d4", Severity: wormbell.Critical, Sticky: true, Title: evil, Body: strings.Repeat(evil, 100),
		Buttons: []Button{{Respond, evil}, {Freeze, "Freeze"}, {ItWasMe, "a"}, {Details, "b"}, {EndPause, "c"}, {Resume, "d"}}}
	var got struct {
		Launch   string   `xml:"launch,attr"`
		Scenario string   `xml:"scenario,attr"`
		Texts    []string `xml:"visual>binding>text"`
		Actions  []struct {
			Content   string `xml:"content,attr"`
			Arguments string `xml:"arguments,attr"`
		} `xml:"actions>action"`
		Audio *struct {
			Silent bool `xml:"silent,attr"`
		} `xml:"audio"`
	}
	text, err := toastXML(n, "SECRETLAUNCH")
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	if len(got.Texts) != 2 || !strings.HasPrefix(got.Texts[0], `</text><action content="x"`) || strings.ContainsAny(text, "\x1b\u202e\x00") || !strings.Contains(got.Texts[0], `\x1b[2J \u202e \x00 \xff`) {
		t.Errorf("%q", got.Texts)
	}
	if len(got.Actions) != maxToastButtons || got.Actions[1].Content != "Freeze" || got.Actions[1].Arguments != "SECRETLAUNCH freeze a1b2c3d4" {
		t.Errorf("%+v", got.Actions)
	}
	if got.Launch != "SECRETLAUNCH details a1b2c3d4" || got.Scenario != "reminder" || got.Audio != nil {
		t.Errorf("%+v", got)
	}
	n.Severity, n.Sticky, n.Buttons = wormbell.Medium, false, nil
	n.Body = "b"
	if text, err = toastXML(n, "L"); err != nil || strings.Contains(text, "scenario") || strings.Contains(text, "<actions") || !strings.Contains(text, `<audio silent="true">`) {
		t.Errorf("%v: %.300s", err, text)
	}
}

func TestToastAnswer(t *testing.T) {
	t.Parallel()
	shown := map[string]Notice{"a1b2c3d4": {ID: "a1b2c3d4", Buttons: []Button{{Freeze, "x"}}}}
	for arguments, want := range map[string]Action{
		toastArguments("L", "a1b2c3d4", Freeze): Freeze, "L details a1b2c3d4": Details, "L respond a1b2c3d4": "", "L freeze other": "",
		"X freeze a1b2c3d4": "", "freeze a1b2c3d4": "", "": "", "L freeze a1b2c3d4 x": "", " freeze a1b2c3d4": "",
	} {
		a, ok := toastAnswer("L", arguments, shown)
		if a.Action != want || ok != (want != "") {
			t.Errorf("%q: %+v %v, want %q", arguments, a, ok, want)
		}
	}
	if _, ok := toastAnswer("", " freeze a1b2c3d4", shown); ok {
		t.Error("an empty secret is one that everybody knows")
	}
}

func TestAppleScript(t *testing.T) {
	t.Parallel()
	n := Notice{Severity: wormbell.High, Title: "-e do shell script \"x\"", Body: "\" & (do shell script \"x\") & \"\n"}
	got := appleScript(n, n.Body)
	if !slices.Equal(got[:6], []string{"-e", "on run argv", "-e", showAloud, "-e", "end run"}) || len(got) != 8 ||
		got[6] != " "+n.Title || got[7] != `" & (do shell script "x") & "\n` {
		t.Errorf("%q", got)
	}
	if got := appleScript(Notice{Severity: wormbell.Medium}, ""); got[3] != showQuietly || got[6] != " " || got[7] != " " {
		t.Errorf("%q", got)
	}
}
