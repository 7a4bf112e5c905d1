// Package machine tests what only a machine of one's own shows: packages that
// are installed, upgraded and removed below a real systemd, and what a person
// then sees in a desktop. It has no code of its own.
//
// Run it with `make machine`, as root on Linux; it takes minutes, because the
// processor of the machine is software (internal/vm).
package machine
