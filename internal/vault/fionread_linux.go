package vault

import "golang.org/x/sys/unix"

const fionread = unix.TIOCINQ // FIONREAD, tty_ioctl(4)
