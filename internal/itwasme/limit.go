package itwasme

import "time"

// lookTime is how long a look at the files of one alert may take; a disk
// answers in microseconds. A file system in user space (FUSE) need not answer
// at all, and whoever is accused in an alert may have made one.
const lookTime = 200 * time.Millisecond

// looking has room for one look at a time, so that looks that never end cost
// one goroutine and not one for each alert.
var looking = make(chan struct{}, 1)

// within returns what look says of a file until the time is up, and that it
// cannot be seen after that, or while another look is stuck.
func within(limit time.Duration, turn chan struct{}, look looker) looker {
	end := time.NewTimer(limit) // of all files together
	type answer struct {
		s seen
		d doubt
	}
	late := false
	return func(file string) (seen, doubt) {
		if late {
			return seen{}, unseen
		}
		select {
		case turn <- struct{}{}:
		case <-end.C:
			late = true
			return seen{}, unseen
		}
		said := make(chan answer, 1)
		go func() { // ends when the file system answers
			defer func() { <-turn }()
			s, d := look(file)
			said <- answer{s, d}
		}()
		select {
		case a := <-said:
			return a.s, a.d
		case <-end.C:
			late = true
			return seen{}, unseen
		}
	}
}
