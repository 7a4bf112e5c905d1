//go:build !unix

package decoy

const noFollow = 0
