package persistence

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf16"

	"wormbell/internal/cmdline"
)

// task is what the Task Scheduler says of one, in the schema of
// http://schemas.microsoft.com/windows/2004/02/mit/task.
type task struct {
	Info struct {
		Date string `xml:"Date"`
		URI  string `xml:"URI"`
	} `xml:"RegistrationInfo"`
	Triggers struct {
		Inner string `xml:",innerxml"`
	} `xml:"Triggers"`
	Settings struct {
		Enabled string `xml:"Enabled"`
	} `xml:"Settings"`
	Actions struct {
		Exec []struct {
			Command   string `xml:"Command"`
			Arguments string `xml:"Arguments"`
			Dir       string `xml:"WorkingDirectory"`
		} `xml:"Exec"`
	} `xml:"Actions"`
}

// lookTasks asks the Task Scheduler for its tasks. Those below \Microsoft\ are
// looked at as well: the user may make some there.
func lookTasks(ctx context.Context, s *scan) {
	out, err := s.Run(ctx, nil, "schtasks", "/Query", "/XML")
	if err != nil {
		s.skip("scheduled tasks: %v", err)
		return
	}
	tasks, err := parseTasks(out)
	if err != nil {
		s.skip("scheduled tasks: only %d could be read: %v", len(tasks), err)
	}
	for _, t := range tasks {
		e := &entry{what: Task, path: t.Info.URI, starts: t.Settings.Enabled != "false" && strings.TrimSpace(t.Triggers.Inner) != ""}
		if when, err := time.ParseInLocation("2006-01-02T15:04:05", cutTime(t.Info.Date), time.Local); err == nil {
			e.changed = when
		}
		for _, x := range t.Actions.Exec {
			e.text = strings.TrimSpace(x.Command + " " + x.Arguments)
			e.execute(s, append([]string{strings.Trim(x.Command, `"`)}, cmdline.Split(x.Arguments, true)...), s.Home)
		}
		if strings.Contains(t.Triggers.Inner, "Repetition") || strings.Contains(t.Triggers.Inner, "CalendarTrigger") {
			e.repeats = "it is started again and again"
		}
		if t.Info.URI == "" || strings.HasPrefix(t.Info.URI, "/") {
			e.byHand = "disable it in the Task Scheduler"
		} else {
			e.steps = []step{{Kind: stepTask, Names: []string{t.Info.URI}}}
		}
		s.add(e)
	}
}

// cutTime is a time without fraction and zone.
func cutTime(s string) string { return s[:min(len(s), len("2006-01-02T15:04:05"))] }

// parseTasks reads what schtasks /Query /XML prints: tasks one after another,
// each with its own XML declaration, with the name of each as a remark before
// it, in UTF-8, UTF-16 or what the console uses.
func parseTasks(b []byte) ([]task, error) {
	if len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe || b[1] == 0) {
		b = fromUTF16(b)
	}
	b = declaration.ReplaceAll(b, nil)
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var out []task
	name := ""
	for len(out) < 5000 {
		t, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch t := t.(type) {
		case xml.Comment:
			name = strings.TrimSpace(string(t))
		case xml.StartElement:
			if t.Name.Local != "Task" {
				continue
			}
			var one task
			if err := d.DecodeElement(&one, &t); err != nil {
				return out, err
			}
			if strings.HasPrefix(name, `\`) {
				one.Info.URI = name
			}
			out, name = append(out, one), ""
		}
	}
	return out, errTooLarge
}

var declaration = regexp.MustCompile(`<\?xml[^>]*\?>`)

func fromUTF16(b []byte) []byte {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0xfe {
		b = b[2:]
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return []byte(string(utf16.Decode(u)))
}

// runKeys are what the user can make Windows start at login.
var runKeys = []string{`HKCU\Software\Microsoft\Windows\CurrentVersion\Run`, `HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce`,
	`HKCU\Software\Microsoft\Windows\CurrentVersion\Policies\Explorer\Run`, `HKCU\Software\Microsoft\Windows NT\CurrentVersion\Windows`, `HKCU\Environment`}

var runValue = regexp.MustCompile(`^ {4}(\S.*?) {4}(REG_SZ|REG_EXPAND_SZ|REG_MULTI_SZ) {4}(.*)$`)

// lookRunKeys asks for the values of those keys. The registry does not say when
// one was written.
func lookRunKeys(ctx context.Context, s *scan) {
	for _, key := range runKeys {
		out, err := s.Run(ctx, nil, "reg", "query", key)
		if err != nil {
			continue // most do not exist
		}
		for line := range strings.Lines(string(out)) {
			m := runValue.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
			if m == nil {
				continue
			}
			name, kind, value := m[1], m[2], m[3]
			if strings.HasSuffix(key, `\Windows`) && !strings.EqualFold(name, "Load") && !strings.EqualFold(name, "Run") {
				continue
			}
			e := &entry{what: RunKey, path: key, part: name, text: value, starts: true, steps: []step{{Kind: stepRunKey, From: key, Names: []string{name, kind}, Old: value}}}
			if strings.HasSuffix(key, `\Environment`) {
				if !strings.EqualFold(name, "UserInitMprLogonScript") && !e.environment(s, strings.ToUpper(name)+"="+value) {
					continue
				}
			}
			if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "-") {
				e.steps, e.byHand = nil, "remove it with the registry editor: its name looks like an option"
			}
			e.execute(s, cmdline.Split(value, true), s.Home)
			s.add(e)
		}
	}
}

// lookStartupFolder finds what Windows starts at login because it lies in a
// folder.
func lookStartupFolder(_ context.Context, s *scan) {
	dir := s.files.inHome("AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup")
	for _, name := range s.list(dir) {
		p := filepath.Join(dir, name)
		switch ext := strings.ToLower(filepath.Ext(name)); ext {
		case ".ini":
		case ".lnk", ".url":
			b, when, ok := s.open(p)
			if !ok {
				continue
			}
			e := &entry{what: Autostart, path: p, changed: when, starts: true, steps: []step{{Kind: stepMove, From: p}}}
			for _, text := range []string{stringsOf(b), string(fromUTF16(b)), string(fromUTF16(b[min(1, len(b)):]))} {
				for _, m := range windowsPath.FindAllString(text, 20) {
					e.text = m
					e.execute(s, []string{m}, s.Home)
				}
			}
			s.add(e)
		default:
			s.startedFile(Autostart, p)
		}
	}
}

var windowsPath = regexp.MustCompile(`(?:[A-Za-z]:|%\w+%)\\[^"<>|?*\x00-\x1f]{1,240}?\.(?:exe|cmd|bat|ps1|vbs|js|py|hta|dll)`)
