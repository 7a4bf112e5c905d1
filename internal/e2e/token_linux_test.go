package e2e

import (
	"crypto/rand"
	"hash/crc32"
	"testing"
)

// validToken makes a random npm token whose checksum is right: the last six
// characters are the CRC-32 of the thirty before them in base 62. It was never
// issued by anybody and exists in memory only.
func validToken(t *testing.T) string {
	t.Helper()
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := make([]byte, 30)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = digits[int(body[i])%len(digits)]
	}
	sum := crc32.ChecksumIEEE(body)
	var check [6]byte
	for i := len(check) - 1; i >= 0; i-- {
		check[i] = digits[sum%62]
		sum /= 62
	}
	return "npm_" + string(body) + string(check[:])
}
