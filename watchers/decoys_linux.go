package watchers

import (
	"errors"
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"wormbell"
	"wormbell/internal/decoy"
)

const (
	// freshDecoy is how old a file may be that is taken for one just planted.
	freshDecoy = 10 * time.Minute
	maxDecoy   = 4096 // bytes
)

// LookAtDecoy returns what tells the file at p, with ~, in the home from every
// other one. The error says why it cannot be a decoy that the home's owner has
// just planted: a file that was there before may hold anything. It opens no file
// and asks nothing of a file system that may not answer.
func LookAtDecoy(home Home, p string) (file wormbell.Planted, err error) {
	segs, ok := segments(p)
	if !ok {
		return file, errors.New("it is no path in a home")
	}
	w := walk{k: &keeper{}, p: &guardPattern{home: home}}
	defer w.closeFrom(0)
	at, err := w.enter(unix.AT_FDCWD, home.Dir, home.Dir)
	for _, name := range segs {
		if err != nil {
			break
		}
		at, err = w.enter(at.fd, name, path.Join(at.real, name))
	}
	var why cannotGuard
	switch {
	case errors.Is(err, errAbsent):
		return file, errors.New("there is no such file")
	case errors.As(err, &why):
		return file, err
	case err != nil:
		return file, fmt.Errorf("it cannot be looked at: %s", reason(err))
	}
	born := at.st.Ctime
	if at.st.Mask&unix.STATX_BTIME != 0 {
		born = at.st.Btime
	}
	switch {
	case !at.is(unix.S_IFREG):
		err = errors.New("it is not a regular file")
	case int(at.st.Uid) != home.UID:
		err = errors.New("it belongs to another user")
	case at.st.Mode&0o7777 != 0o600:
		err = errors.New("others than its owner may open it")
	case at.st.Nlink != 1:
		err = errors.New("it has other names")
	case at.st.Size == 0 || at.st.Size > maxDecoy:
		err = fmt.Errorf("its size is not that of a decoy, which is 1 to %d bytes", maxDecoy)
	case time.Since(time.Unix(born.Sec, int64(born.Nsec))).Abs() > freshDecoy:
		err = errors.New("it was there before")
	}
	return decoy.Of(&at.st), err
}
