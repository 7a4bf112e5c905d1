//go:build !linux

package signer

import "wormbell/watchers/internal/procs"

func pidName(int) string           { return "" }
func mountNamespace(string) string { return "" }

func identOf(string) (Ident, error)               { return Ident{}, procs.ErrUnsupported }
func exeIdent(int) (Ident, error)                 { return Ident{}, procs.ErrUnsupported }
func rootIdent(int) (Ident, error)                { return Ident{}, procs.ErrUnsupported }
func identIn(int, string, *mounts) (Ident, error) { return Ident{}, procs.ErrUnsupported }
