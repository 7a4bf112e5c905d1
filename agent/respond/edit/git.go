package edit

import (
	"fmt"
	"net/url"
	"strings"
)

// GitCredentials reads a file of git-credential-store(1): a URL with a password
// in each line. Lines that are none are skipped, as git does.
func GitCredentials(data []byte) []Entry {
	var all []Entry
	for i, line := range lines(data) {
		s := text(data, line)
		if i == 0 && strings.HasPrefix(string(data), bom) {
			continue // git takes the mark for a part of the protocol
		}
		if e, ok := gitLine(string(data[s.From:s.To]), s.From); ok {
			e.format, e.Line = formatGit, line
			all = append(all, e)
		}
	}
	return all
}

// gitLine takes a URL apart as git's credential_from_url does.
func gitLine(line string, from int) (Entry, bool) {
	protocol, rest, ok := strings.Cut(line, "://")
	if !ok || protocol == "" {
		return Entry{}, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.IndexByte(rest, '@')
	colon := strings.IndexByte(rest, ':')
	if at < 0 || at > end || colon < 0 || colon > at {
		return Entry{}, false
	}
	user, err1 := url.PathUnescape(rest[:colon])
	password, err2 := url.PathUnescape(rest[colon+1 : at])
	host, err3 := url.PathUnescape(rest[at+1 : end])
	if err1 != nil || err2 != nil || err3 != nil {
		return Entry{}, false
	}
	start := from + len(protocol) + len("://")
	span := Span{start + colon + 1, start + at}
	return Entry{Path: []string{protocol + "://" + host, user}, Value: password, Span: span, whole: span}, true
}

func (e Entry) gitCandidates(data []byte, new string) []Change {
	// As git writes it: all but the unreserved characters of RFC 3986 as %xx.
	var b strings.Builder
	for _, c := range []byte(new) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return []Change{change(data, e.Span, b.String())}
}
