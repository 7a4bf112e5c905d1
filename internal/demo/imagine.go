package demo

import (
	"embed"
	"fmt"
)

//go:embed scenes/*.txtar
var scenes embed.FS

// imagine is the demonstration on a machine without node: the same worms as
// scenes, shown to the same detectors, with no agent and no sensor. It says so.
func (s *stage) imagine(chosen []replay) error {
	s.say("  agent         none: without node nothing can be acted out here")
	s.say("")
	s.say("What follows is not this machine: it is each worm as a recording, and what the detectors say of it.")
	for i, r := range chosen {
		s.say("")
		s.say("%d/%d  %s: %s", i+1, len(chosen), r.name, r.story)
		text, err := scenes.ReadFile("scenes/" + r.name + ".txtar")
		if err != nil {
			return fmt.Errorf("find the recording of %s: %w", r.name, err)
		}
		s.out.Lock()
		err = s.options.Replay(s.options.Out, text)
		s.out.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}
