package settings

import (
	"testing"
	"time"
)

// FuzzSettings: whatever a file says, reading it ends with settings that check
// accepts, or with an error.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{"", "homes = ['/home/ann']\nstores = ['ssh']\nlocked = ['pause']\n", "protect = true", "[stores]", "homes = [", "a.b.c = 1979-05-27", "x = {y = [[1]]}", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &Settings{From: map[string]string{}, Locks: map[string]string{}}
		if s.take(file{path: "/a", text: text}, true) != nil {
			if len(s.From)+len(s.Locks)+len(s.Files)+len(s.good) > 0 {
				t.Error("a file that is wrong changed something")
			}
			return
		}
		if err := s.Check(); err != nil {
			t.Errorf("taken: %v", err)
		}
		again := &Settings{From: map[string]string{}, Locks: map[string]string{}}
		if !again.standIn(s.good[0], true) {
			t.Error("what is kept cannot be read again")
		}
	})
}

// FuzzTrust: a row that is taken is the same once it was written and read.
func FuzzTrust(f *testing.F) {
	for _, s := range []string{"", "[[row]]\nstore = 'aws'\nwho = 'exe:/opt/b'\nreason = 'x'\nuntil = 2030-01-31T18:00:00.5+09:00\n", "[[row]]\nstore = '*'\nwho = 'project-code'\nunder = 'any'\npath = '~/\u0085\"'\nreason = '\"\\\u007f\u2028'\n", "row = [1]", "[row]", "row = [{store='npm'}]"} {
		f.Add([]byte(s))
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, _ := parseTrust(text, now)
		back, wrong := parseTrust([]byte(WriteTrust(rows)), now)
		if len(wrong) > 0 || len(back) != len(rows) {
			t.Fatalf("%d rows became %d: %v\n%s", len(rows), len(back), wrong, WriteTrust(rows))
		}
		for i := range rows {
			if back[i].ID != rows[i].ID {
				t.Errorf("%+v became %+v", rows[i], back[i])
			}
		}
	})
}
