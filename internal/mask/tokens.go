package mask

import (
	"encoding/base64"
	"hash/crc32"
	"strings"
)

// A token is one provider's format: a fixed prefix and what may follow it.
// Data instead of regular expressions: the agent looks at every command line
// of the machine, and Go's regexp knows no look-around for the boundaries.
type token struct {
	prefix string
	kind   string              // what a person calls it; "" for one that is masked and never reported
	body   class               // the characters of the body
	min    int                 // shortest body of a real one
	max    int                 // longest body of a real one
	real   func(b string) bool // checksum or inner structure of the body; nil if the format has none
	edge   bool                // the prefix is too common inside other words: only at the start of one
	back   int                 // bytes before the prefix that belong to the secret
	seen   int                 // masked from this many characters on; 0 means fewest
	words  bool                // a body of small letters and dashes is somebody's package
	pair   bool                // a name only: its secret may stand beside it
}

// fewest is the length of the body from which on something with a token's
// prefix is masked, real or not: half a token that was pasted is still half a
// secret. Below it are words such as npm_lifecycle.
const fewest = 12

// class is a set of characters.
type class uint8

const (
	digits class = 1 << iota
	lower
	upper
	under // _ and -
	slash // + and /
	equal
	dot
	tilde

	alnum   = digits | lower | upper
	word    = alnum | under
	base64c = alnum | slash | equal
)

// classOf has the classes of each byte.
var classOf = func() (t [256]class) {
	set := func(c class, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= c
		}
	}
	set(digits, "0123456789")
	set(lower, "abcdefghijklmnopqrstuvwxyz")
	set(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	set(under, "_-")
	set(slash, "+/")
	set(equal, "=")
	set(dot, ".")
	set(tilde, "~")
	return t
}()

// run returns the end of the run of c's characters that begins at i.
func run(s string, i int, c class) int {
	for i < len(s) && classOf[s[i]]&c != 0 {
		i++
	}
	return i
}

// long stands for "no upper limit known".
const long = 1 << 20

// tokens is every format that is known by its look. Sources: the providers'
// own documentation and the rules of the public secret scanners. Where two
// rows begin alike the longer prefix stands first.
var tokens = []token{
	{prefix: "npm_", kind: "npm access token", body: alnum, min: 36, max: 48, real: npmReal},
	{prefix: "npms_", kind: "npm access token", body: alnum, min: 36, max: 48, real: random},
	{prefix: "ghp_", kind: "GitHub token", body: alnum, min: 36, max: 36, real: crcReal},
	{prefix: "gho_", kind: "GitHub token", body: alnum, min: 36, max: 36, real: crcReal},
	{prefix: "ghu_", kind: "GitHub token", body: alnum, min: 36, max: 36, real: crcReal},
	{prefix: "ghs_", kind: "GitHub token", body: alnum, min: 36, max: 36, real: crcReal},
	{prefix: "ghr_", kind: "GitHub token", body: alnum, min: 36, max: 76, real: ghrReal},
	{prefix: "github_pat_", kind: "GitHub token", body: alnum | under, min: 82, max: 82, real: random},
	{prefix: "glpat-", kind: "GitLab token", body: word | dot, min: 20, max: 310, real: random},
	{prefix: "glptt-", kind: "GitLab token", body: word, min: 40, max: 40, real: random},
	{prefix: "gldt-", kind: "GitLab token", body: word, min: 20, max: 20, real: random},
	{prefix: "glrt-", kind: "GitLab token", body: word | dot, min: 20, max: 60, real: random},
	// An AWS key ID is a name, not a secret: the secret beside it is reported.
	{prefix: "AKIA", body: upper | digits, min: 16, max: 16, edge: true, pair: true},
	{prefix: "ASIA", body: upper | digits, min: 16, max: 16, edge: true, pair: true},
	{prefix: "ABIA", body: upper | digits, min: 16, max: 16, edge: true, pair: true},
	{prefix: "ACCA", body: upper | digits, min: 16, max: 16, edge: true, pair: true},
	{prefix: "A3T", body: upper | digits, min: 17, max: 17, edge: true, seen: 17, pair: true},
	{prefix: "ABSK", kind: "AWS Bedrock key", body: base64c, min: 109, max: 271, real: random, edge: true, seen: 32},
	{prefix: "AIza", kind: "Google API key", body: word, min: 35, max: 35, real: random},
	{prefix: "ya29.", kind: "Google access token", body: word | dot, min: 20, max: long, real: random, edge: true},
	{prefix: "GOCSPX-", kind: "Google client secret", body: word, min: 28, max: 28, real: random},
	{prefix: "Q~", kind: "Azure client secret", body: word | dot | tilde, min: 31, max: 34, real: random, back: 4, seen: 20},
	{prefix: "pypi-AgE", kind: "PyPI token", body: word, min: 58, max: 1000, real: pypiReal},
	{prefix: "hvs.", kind: "Vault token", body: word, min: 90, max: 120, real: random, edge: true},
	{prefix: "hvb.", kind: "Vault token", body: word, min: 138, max: 300, real: random, edge: true},
	{prefix: "s.", kind: "Vault token", body: alnum, min: 24, max: 24, real: random, edge: true, seen: 24},
	{prefix: "sk_live_", kind: "Stripe key", body: alnum, min: 10, max: 99, real: random},
	{prefix: "rk_live_", kind: "Stripe key", body: alnum, min: 10, max: 99, real: random},
	{prefix: "sk_prod_", kind: "Stripe key", body: alnum, min: 10, max: 99, real: random},
	{prefix: "rk_prod_", kind: "Stripe key", body: alnum, min: 10, max: 99, real: random},
	{prefix: "sk_test_", body: alnum, min: 10, max: 99}, // made to be shown around
	{prefix: "rk_test_", body: alnum, min: 10, max: 99},
	{prefix: "whsec_", kind: "webhook secret", body: base64c | under, min: 24, max: 64, real: random},
	{prefix: "xoxb-", kind: "Slack token", body: alnum | under, min: 36, max: 200, real: slackReal},
	{prefix: "xoxp-", kind: "Slack token", body: alnum | under, min: 36, max: 200, real: slackReal},
	{prefix: "xoxe-", kind: "Slack token", body: alnum | under, min: 36, max: 300, real: slackReal},
	{prefix: "xoxa-", kind: "Slack token", body: alnum | under, min: 20, max: 200, real: slackReal},
	{prefix: "xoxr-", kind: "Slack token", body: alnum | under, min: 20, max: 200, real: slackReal},
	{prefix: "xoxs-", kind: "Slack token", body: alnum | under, min: 20, max: 200, real: slackReal},
	{prefix: "xoxc-", kind: "Slack token", body: alnum | under, min: 20, max: 200, real: slackReal},
	{prefix: "xoxd-", kind: "Slack token", body: base64c | under | tilde, min: 40, max: 400, real: random},
	{prefix: "xapp-", kind: "Slack token", body: alnum | under, min: 40, max: 200, real: random},
	{prefix: "hooks.slack.com/", kind: "Slack webhook", body: word | slash, min: 50, max: 80, real: random},
	{prefix: "discord.com/api/webhooks/", kind: "Discord webhook", body: word | slash, min: 80, max: 120, real: random},
	{prefix: "sk-ant-", kind: "Anthropic key", body: word, min: 90, max: 140, real: anthropicReal},
	{prefix: "sk-proj-", kind: "OpenAI key", body: word, min: 40, max: 200, real: openAIReal},
	{prefix: "sk-svcacct-", kind: "OpenAI key", body: word, min: 40, max: 200, real: openAIReal},
	{prefix: "sk-admin-", kind: "OpenAI key", body: word, min: 40, max: 200, real: openAIReal},
	{prefix: "sk-or-v1-", kind: "OpenRouter key", body: alnum, min: 64, max: 64, real: random},
	{prefix: "sk-", kind: "OpenAI key", body: word, min: 48, max: 48, real: openAIReal, edge: true, seen: 20, words: true},
	{prefix: "hf_", kind: "Hugging Face token", body: alnum, min: 34, max: 40, real: mixed, edge: true, seen: 20},
	{prefix: "pplx-", kind: "Perplexity key", body: alnum, min: 48, max: 48, real: random, edge: true},
	{prefix: "gsk_", kind: "Groq key", body: alnum, min: 52, max: 52, real: random, edge: true},
	{prefix: "rubygems_", kind: "RubyGems key", body: lower | digits, min: 48, max: 48, real: random},
	{prefix: "dop_v1_", kind: "DigitalOcean token", body: lower | digits, min: 64, max: 64, real: random},
	{prefix: "doo_v1_", kind: "DigitalOcean token", body: lower | digits, min: 64, max: 64, real: random},
	{prefix: "dor_v1_", kind: "DigitalOcean token", body: lower | digits, min: 64, max: 64, real: random},
	{prefix: "dp.pt.", kind: "Doppler token", body: alnum, min: 43, max: 43, real: random, edge: true},
	{prefix: "pul-", kind: "Pulumi token", body: lower | digits, min: 40, max: 40, real: random, edge: true, seen: 20},
	{prefix: "SG.", kind: "SendGrid key", body: word | dot, min: 66, max: 66, real: random, edge: true, seen: 20},
	{prefix: "shpat_", kind: "Shopify token", body: alnum, min: 32, max: 32, real: random},
	{prefix: "shpss_", kind: "Shopify token", body: alnum, min: 32, max: 32, real: random},
	{prefix: "ATATT3", kind: "Atlassian token", body: word | equal, min: 186, max: 186, real: random, edge: true},
	{prefix: "dapi", kind: "Databricks token", body: lower | digits, min: 32, max: 32, real: random, edge: true, seen: 32},
	{prefix: "sntrys_", kind: "Sentry token", body: base64c | under, min: 40, max: 400, real: random},
	{prefix: "sntryu_", kind: "Sentry token", body: lower | digits, min: 64, max: 64, real: random},
	{prefix: "lin_api_", kind: "Linear key", body: alnum, min: 40, max: 40, real: random},
	{prefix: "HRKU-AA", kind: "Heroku key", body: word, min: 58, max: 58, real: random, edge: true},
	{prefix: "AKCp", kind: "JFrog key", body: alnum, min: 69, max: 69, real: random, edge: true, seen: 32},
	{prefix: ".atlasv1.", kind: "Terraform Cloud token", body: word | equal, min: 60, max: 70, real: random, back: 14},
	{prefix: "ops_eyJ", kind: "1Password service account token", body: base64c, min: 250, max: long, real: random, edge: true},
	{prefix: "AGE-SECRET-KEY-1", kind: "age secret key", body: upper | digits, min: 58, max: 58, real: ageReal},
	{prefix: "cio", kind: "crates.io token", body: alnum, min: 32, max: 32, real: mixed, edge: true, seen: 32},
	{prefix: "tskey-", kind: "Tailscale key", body: word, min: 20, max: 100, real: random, edge: true},
	{prefix: "PMAK-", kind: "Postman key", body: word, min: 59, max: 59, real: random, edge: true},
	{prefix: "vercel_", kind: "Vercel token", body: alnum, min: 24, max: 64, real: random, edge: true, seen: 24},
	{prefix: "vcp_", kind: "Vercel token", body: alnum, min: 24, max: 64, real: random, edge: true, seen: 24},
	{prefix: "nfp_", kind: "Netlify token", body: alnum, min: 36, max: 40, real: random, edge: true},
	// Web tokens mostly end within the hour: hidden, not worth an alarm.
	{prefix: "eyJ", body: word | dot, min: 40, max: long, edge: true, seen: 24},
}

// starts tells by two bytes whether a token's prefix may begin there, and
// byFirst finds the rows by the first one. Both are built once.
var starts, byFirst = func() (bits [1 << 10]uint64, rows [256][]*token) {
	for i := range tokens {
		t := &tokens[i]
		n := uint16(t.prefix[0])<<8 | uint16(t.prefix[1])
		bits[n>>6] |= 1 << (n & 63)
		rows[t.prefix[0]] = append(rows[t.prefix[0]], t)
	}
	return bits, rows
}()

// mayStart is what nearly every character of a line is done with: small enough
// to be inlined.
func mayStart(s string, i int) bool {
	if i+1 >= len(s) {
		return false
	}
	n := uint16(s[i])<<8 | uint16(s[i+1])
	return starts[n>>6]&(1<<(n&63)) != 0
}

// tokenAt finds the token whose prefix stands at s[i:]: from where to where it
// has to be masked and whether it is to be reported. A nil row means none.
func tokenAt(s string, i int) (t *token, from, to int, report bool) {
	if !mayStart(s, i) {
		return nil, 0, 0, false
	}
	for _, t := range byFirst[s[i]] {
		if !strings.HasPrefix(s[i:], t.prefix) {
			continue
		}
		bounded := i == 0 || classOf[s[i-1]]&word == 0
		if t.edge && !bounded {
			continue
		}
		body := i + len(t.prefix)
		end := run(s, body, t.body)
		seen := t.seen
		if seen == 0 {
			seen = fewest
		}
		if end-body < seen { // before the next run: so the work stays linear
			continue
		}
		// What hangs on to a token may be the rest of a longer one.
		wide := run(s, end, t.body|word|dot)
		for wide > end && s[wide-1] == '.' { // the full stop of a sentence
			wide--
		}
		if t.words && run(s, body, lower|under) == wide {
			continue
		}
		from, before := body, true
		if t.back > 0 {
			if from = i - t.back; from < 0 || run(s, from, word|dot|tilde) < i {
				continue
			}
			before = from == 0 || classOf[s[from-1]]&word == 0
		}
		b := s[body:end]
		report = t.kind != "" && end == wide && before && t.min <= len(b) && len(b) <= t.max &&
			t.real != nil && t.real(b)
		return t, from, wide, report
	}
	return nil, 0, 0, false
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// checksum returns the six characters that npm and GitHub put at the end of
// a token: the CRC-32 (IEEE) of what stands before, in base 62.
func checksum(s string) string {
	var out [6]byte
	n := crc32.ChecksumIEEE([]byte(s))
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return string(out[:])
}

// crcReal checks that checksum.
func crcReal(b string) bool {
	return len(b) > 6 && b[len(b)-6:] == checksum(b[:len(b)-6])
}

// npmReal checks the checksum of the form that has one.
func npmReal(b string) bool {
	if len(b) == 36 {
		return crcReal(b)
	}
	return random(b)
}

// ghrReal does the same for refresh tokens, of which there is a longer form.
func ghrReal(b string) bool {
	if len(b) == 36 {
		return crcReal(b)
	}
	return len(b) == 76 && random(b)
}

// pypiReal looks for the name of the index in the macaroon that follows.
func pypiReal(b string) bool {
	raw, err := base64.RawURLEncoding.DecodeString("AgE" + b[:len(b)-(len(b)+3)%4])
	return err == nil && strings.Contains(string(raw), "pypi.org") && random(b)
}

func slackReal(b string) bool {
	return '0' <= b[0] && b[0] <= '9' && random(b) || strings.HasPrefix(b, "1-") && random(b)
}

func anthropicReal(b string) bool { return strings.HasSuffix(b, "AA") && random(b) }

// openAIReal wants the mark of the house in the middle: "OpenAI" in base 64.
func openAIReal(b string) bool { return strings.Contains(b, "T3BlbkFJ") && random(b) }

// mixed is random for formats without digits.
func mixed(b string) bool {
	var has class
	for i := range len(b) {
		has |= classOf[b[i]]
	}
	return has&lower != 0 && has&upper != 0 && !placeholder(b)
}

// random reports whether b looks drawn by lot: letters and digits, many
// different ones, and none of the words that stand in an example.
func random(b string) bool {
	var has class
	for i := range len(b) {
		has |= classOf[b[i]]
	}
	return has&digits != 0 && has&(lower|upper) != 0 && !placeholder(b)
}

// placeholder reports whether b is what documentation writes in the place of
// a secret: a few characters again and again, a sequence, or a telling word.
func placeholder(b string) bool {
	var distinct [256]bool
	n, same, up := 0, 1, 1
	for i := range len(b) {
		if !distinct[b[i]] {
			distinct[b[i]] = true
			n++
		}
		if i == 0 {
			continue
		}
		if same++; b[i] != b[i-1] {
			same = 1
		}
		if up++; b[i] != b[i-1]+1 {
			up = 1
		}
		if same >= 6 || up >= 7 {
			return true
		}
	}
	if n < 8 {
		return true
	}
	l := strings.ToLower(b)
	for _, w := range []string{"example", "placeholder", "your", "xxxx", "changeme", "redacted", "dummy", "sample"} {
		if strings.Contains(l, w) {
			return true
		}
	}
	return false
}

// ageReal checks the bech32 checksum (BIP 173) of an age secret key.
func ageReal(b string) bool { return bech32("age-secret-key-", strings.ToLower(b)) == 1 }

const bech32Chars = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32 returns the polymod of data under hrp: 1 for a valid string, 0 if a
// character does not belong.
func bech32(hrp, data string) uint32 {
	chk := uint32(1)
	add := func(v uint32) {
		top := chk >> 25
		chk = (chk&0x1ffffff)<<5 ^ v
		for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				chk ^= g
			}
		}
	}
	for i := range len(hrp) {
		add(uint32(hrp[i] >> 5))
	}
	add(0)
	for i := range len(hrp) {
		add(uint32(hrp[i] & 31))
	}
	for i := range len(data) {
		v := strings.IndexByte(bech32Chars, data[i])
		if v < 0 {
			return 0
		}
		add(uint32(v))
	}
	return chk
}
