package persistence

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	base64Text = regexp.MustCompile(`[A-Za-z0-9+/_-]{24,}={0,2}(?:\\?\n[ \t]*[A-Za-z0-9+/_-]{4,}={0,2})*`)
	hexText    = regexp.MustCompile(`(?i)\b(?:[0-9a-f]{2}){16,}\b`)
	escapes    = regexp.MustCompile(`(?:\\x[0-9a-fA-F]{2}|\\u00[0-9a-fA-F]{2}|\\[0-3][0-7]{2}){4,}`)
	charCodes  = regexp.MustCompile(`(?:\b\d{2,3}\s*,\s*){8,}\d{2,3}\b`)
	space      = regexp.MustCompile(`[\\\s]+`)
)

const (
	maxHidden  = 40        // texts decoded of one text
	maxDecoded = 256 << 10 // bytes of one of them
)

// hiddenTexts decodes what text hides: base64, hexadecimal digits, escapes,
// character codes, and any of them compressed, or backwards.
func hiddenTexts(text string) []string {
	var out []string
	add := func(b []byte) {
		if s, ok := readable(b); ok && len(out) < maxHidden {
			out = append(out, s)
		}
	}
	for _, m := range base64Text.FindAllString(text, 4*maxHidden) {
		m = strings.TrimRight(space.ReplaceAllString(m, ""), "=")
		m = strings.NewReplacer("-", "+", "_", "/").Replace(m)
		if b, err := base64.RawStdEncoding.DecodeString(m); err == nil {
			add(b)
		}
		if b, err := base64.RawStdEncoding.DecodeString(backwards(m)); err == nil {
			add(b)
		}
	}
	for _, m := range hexText.FindAllString(text, maxHidden) {
		if b, err := hex.DecodeString(m); err == nil {
			add(b)
		}
	}
	for _, m := range escapes.FindAllString(text, maxHidden) {
		add(unescape(m))
	}
	for _, m := range charCodes.FindAllString(text, maxHidden) {
		var b []byte
		for n := range strings.SplitSeq(m, ",") {
			c, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil || c > 255 {
				b = nil
				break
			}
			b = append(b, byte(c))
		}
		add(b)
	}
	// A text that names what it names backwards has been turned for that.
	if turned := backwards(text); len(text) < wholeText && hosts.in(strings.ToLower(turned)) && !hosts.in(strings.ToLower(text)) {
		out = append(out, turned)
	}
	return out
}

// readable returns what b says, unpacked if it was packed, if it is text.
func readable(b []byte) (string, bool) {
	if len(b) < 8 {
		return "", false
	}
	var r io.Reader
	switch {
	case b[0] == 0x1f && b[1] == 0x8b:
		if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			r = z
		}
	case b[0] == 0x78 && (int(b[0])<<8|int(b[1]))%31 == 0:
		if z, err := zlib.NewReader(bytes.NewReader(b)); err == nil {
			r = z
		}
	case !printable(b) && len(b) > 40:
		r = flate.NewReader(bytes.NewReader(b))
	}
	if r != nil {
		if u, _ := io.ReadAll(io.LimitReader(r, maxDecoded)); len(u) > 8 {
			b = u
		}
	}
	// PowerShell's -EncodedCommand is UTF-16, little-endian.
	if len(b)%2 == 0 && len(b) >= 16 && bytes.Count(b, []byte{0}) >= len(b)*2/5 {
		u := make([]byte, 0, len(b)/2)
		for i := 0; i < len(b); i += 2 {
			if b[i+1] == 0 {
				u = append(u, b[i])
			}
		}
		b = u
	}
	if len(b) > maxDecoded {
		b = b[:maxDecoded]
	}
	return string(b), printable(b)
}

// printable reports whether b is text: valid UTF-8 and hardly any controls.
func printable(b []byte) bool {
	bad, n := 0, 0
	for len(b) > 0 && n < 4000 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size <= 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			bad++
		}
		b, n = b[size:], n+1
	}
	return n > 0 && bad*50 <= n
}

func unescape(s string) []byte {
	var b []byte
	for i := 0; i+3 < len(s); {
		skip, digits, base := 4, s[i+1:i+4], 8
		switch s[i+1] {
		case 'x':
			digits, base = s[i+2:i+4], 16
		case 'u':
			if i+6 > len(s) {
				return b
			}
			skip, digits, base = 6, s[i+4:i+6], 16
		}
		n, err := strconv.ParseUint(digits, base, 8)
		if err != nil {
			return b
		}
		b = append(b, byte(n))
		i += skip
	}
	return b
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// stringsOf are the runs of printable bytes in a compiled program, as
// strings(1) has them, one a line.
func stringsOf(b []byte) string {
	var out strings.Builder
	start := -1
	for i := 0; i <= len(b); i++ {
		if i < len(b) && (b[i] >= ' ' && b[i] < 0x7f || b[i] == '\t') {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 && i-start >= 6 {
			out.Write(b[start:i])
			out.WriteByte('\n')
		}
		start = -1
	}
	return out.String()
}
