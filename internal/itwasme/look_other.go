//go:build !unix

package itwasme

// look cannot tell here who may change a file.
func look(string) (seen, doubt) { return seen{}, unseen }
