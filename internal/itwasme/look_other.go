//go:build !unix

package itwasme

// look cannot tell here who may change a file.
func look(string) (real string, d doubt) { return "", unseen }
