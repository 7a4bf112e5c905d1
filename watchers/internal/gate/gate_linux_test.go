package gate

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[1]) })
	return p[0], p[1]
}

func write(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		t.Fatal(err)
	}
}

func TestWait(t *testing.T) {
	g, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	wait := func(what string, limit time.Duration, want []bool, fds ...int) {
		t.Helper()
		if got, err := g.Wait(fds, limit); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	const none = -1
	r1, w1 := pipe(t)
	r2, w2 := pipe(t)
	wait("nothing is there", time.Millisecond, []bool{false, false}, r1, r2)
	write(t, w2)
	wait("one is", none, []bool{false, true}, r1, r2)
	wait("it still is", none, []bool{false, true}, r1, r2)
	wait("nobody asks for it", 2*time.Millisecond, []bool{false}, r1)
	wait("nobody asks for anything", time.Millisecond, []bool{}, []int{}...)
	write(t, w1)
	wait("both are", none, []bool{true, true}, r1, r2)
	go func() { // ends at once
		time.Sleep(time.Millisecond)
		unix.Write(w1, []byte{1})
	}()
	var b [8]byte
	unix.Read(r1, b[:])
	unix.Read(r2, b[:])
	wait("one comes while it waits", none, []bool{true, false}, r1, r2)

	// A kick ends one Wait, also the next one.
	unix.Read(r1, b[:])
	g.Kick()
	wait("kicked before", none, []bool{false, false}, r1, r2)
	go g.Kick()
	wait("kicked meanwhile", none, []bool{false, false}, r1, r2)
	wait("kicked no more", time.Millisecond, []bool{false, false}, r1, r2)

	// The number of a file that was closed is another's.
	unix.Close(r1)
	r3, w3 := pipe(t)
	if r3 != r1 {
		t.Skip("the number is not given out again")
	}
	write(t, w3)
	wait("another file", none, []bool{true, false}, r3, r2)
	unix.Close(r3)
	if _, err := g.Wait([]int{r3}, none); err == nil {
		t.Error("it waits for what is no file")
	}
	wait("one that was closed is not asked for", time.Millisecond, []bool{false}, r2)
	unix.Close(r2)
}

// TestDisarmed: what happens to a descriptor while nobody waits for it wakes nobody.
func TestDisarmed(t *testing.T) {
	g, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	r, w := pipe(t)
	defer unix.Close(r)
	if _, err := g.Wait([]int{r}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Wait(nil, 0); err != nil {
		t.Fatal(err)
	}
	write(t, w)
	fds := []unix.PollFd{{Fd: int32(g.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); n != 0 || err != nil {
		t.Errorf("the gate is ready although nobody waits: %d, %v", n, err)
	}
	if ready, err := g.Wait([]int{r}, -1); err != nil || !ready[0] {
		t.Errorf("%v, %v", ready, err)
	}
}
