// Package e2e tests the real programs: the agent and the command line as they
// are built, the real npm, a registry on loopback, scratch homes and decoy
// tokens. It has no code of its own.
//
// Run it with `make e2e`. As root it tests everything; as an ordinary user it
// skips what needs root and says so.
package e2e
