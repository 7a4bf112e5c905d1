//go:build !unix

package cli

// foreign reports that root would work in a folder that another user could have
// filled. There is no root here.
func foreign(string) error { return nil }
