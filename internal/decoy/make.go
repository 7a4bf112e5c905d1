package decoy

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"hash/crc32"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// Text makes what stands in a decoy of this kind: no two are the same.
func (k Kind) Text(f Facts) []byte { return []byte(k.text(f)) }

// Pick returns the places for a decoy of this kind, in an order left to chance:
// the first that is free is taken.
func (k Kind) Pick() []string {
	all := k.names()
	for i := len(all) - 1; i > 0; i-- {
		j := number(i + 1)
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// Age returns a time before now at which somebody might have put a file aside: a
// file that is younger than all around it stands out.
func Age(now time.Time) time.Time {
	return now.Add(-time.Duration(20+number(400))*24*time.Hour - time.Duration(number(24*3600))*time.Second).Truncate(time.Second)
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// number is one from 0 to n-1.
func number(n int) int {
	k, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0 // crypto/rand never fails (its documentation)
	}
	return int(k.Int64())
}

// random returns n characters of alphabet.
func random(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[number(len(alphabet))]
	}
	return string(b)
}

// token is one in the form that npm and GitHub share: 30 random characters and
// the CRC-32 of them in six digits to the base of 62. It is one of 62 to the 30th:
// nobody was ever given it.
func token(prefix string) string {
	body := random(30, alphanumeric)
	var check [6]byte
	for i, sum := 5, crc32.ChecksumIEEE([]byte(body)); i >= 0; i, sum = i-1, sum/62 {
		check[i] = alphanumeric[sum%62]
	}
	return prefix + body + string(check[:])
}

// accessKey is the ID of a key of AWS, in which the number of an account stands
// in base 32 behind the prefix. Those of keys of today begin with a bit that is
// set, and an account has twelve digits.
func accessKey() string {
	for {
		b := make([]byte, 10)
		rand.Read(b)
		b[0] |= 0x80
		n := uint64(0)
		for _, x := range b[:6] {
			n = n<<8 | uint64(x)
		}
		if account := n & 0x7fffffffff80 >> 7; account >= 100_000_000_000 && account < 1_000_000_000_000 {
			return "AKIA" + base32.StdEncoding.EncodeToString(b)
		}
	}
}

func awsPair() (id, key string) {
	return accessKey(), random(40, alphanumeric+"+/")
}

func awsText(Facts) string {
	id, key := awsPair()
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, key)
}

func npmText(f Facts) string {
	at := ""
	first := ""
	if u, err := url.Parse(f.Registry); err == nil && u.Host != "" {
		at = "//" + u.Host + strings.TrimSuffix(u.Path, "/") + "/:"
		if number(2) == 0 {
			first = "registry=" + strings.TrimSuffix(f.Registry, "/") + "/\n"
		}
	}
	return first + at + "_authToken=" + token("npm_") + "\n"
}

func githubText(f Facts) string {
	user := f.User
	if user == "" || strings.ContainsFunc(user, func(r rune) bool { return !strings.ContainsRune(alphanumeric+"-", r) }) {
		user = "x-access-token"
	}
	return "https://" + user + ":" + token("ghp_") + "@github.com\n"
}

func envText(Facts) string {
	id, key := awsPair()
	regions := []string{"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"}
	return fmt.Sprintf("NODE_ENV=production\nAWS_REGION=%s\nAWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\nNPM_TOKEN=%s\nGITHUB_TOKEN=%s\n",
		regions[number(len(regions))], id, key, token("npm_"), token("ghp_"))
}
