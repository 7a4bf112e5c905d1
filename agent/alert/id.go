package alert

import "crypto/rand"

// alphabet has no characters that are mistaken for another when typed from a
// screen: no 0 and o, no 1, l and i.
const alphabet = "23456789abcdefghjkmnpqrstuvwxyz"

// newID returns eight typable characters, 31^8 of them: enough that a person
// never meets one twice.
func newID() string {
	id := make([]byte, 0, 8)
	var b [16]byte
	for {
		rand.Read(b[:]) // never fails, by its contract since Go 1.24
		for _, x := range b {
			if int(x) >= 256-256%len(alphabet) {
				continue // would make the first characters likelier
			}
			if id = append(id, alphabet[int(x)%len(alphabet)]); len(id) == 8 {
				return string(id)
			}
		}
	}
}
