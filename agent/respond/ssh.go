package respond

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"

	"wormbell/agent/respond/edit"
)

// sshMost is how many files of ~/.ssh are looked at.
const sshMost = 200

// sshFind lists the private keys in ~/.ssh. A key itself is not kept: nothing
// is ever done with it, and which one it is, its public half tells.
func sshFind(ctx context.Context, m *Machine, paths []string) ([]Token, error) {
	names, err := os.ReadDir(m.Abs("~/.ssh"))
	if err != nil {
		names = nil // there is none, or nothing in it can be read
	}
	var tokens []Token
	files := dataFiles{m: m}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := "~/.ssh/" + n.Name()
		if ok, _ := path.Match("id_*", n.Name()); !ok || strings.HasSuffix(p, ".pub") || !dataMay(paths, p) || len(tokens) >= sshMost {
			continue
		}
		data, err := edit.Read(m.Abs(p))
		if err != nil {
			files.failed(p, err)
			continue
		}
		key, ok := sshRead(data)
		clear(data)
		if !ok {
			continue
		}
		var comment string
		if dataMay(paths, p+".pub") {
			if data, err := edit.Read(m.Abs(p + ".pub")); err == nil {
				pub, c, _, _, err := ssh.ParseAuthorizedKey(data)
				if err == nil && (key.public == nil || bytes.Equal(pub.Marshal(), key.public.Marshal())) {
					key.public, comment = pub, c
				}
			}
		}
		tokens = append(tokens, key.token(p, comment))
	}
	return dataMerged(tokens), files.err()
}

// sshKey is what is kept of a private key.
type sshKey struct {
	public ssh.PublicKey // nil if it is not known
	lock   string        // "yes", "no" or "unknown": whether it has a passphrase
}

// token says it as a Token, which has no Value.
func (k sshKey) token(path, comment string) Token {
	name := strings.TrimPrefix(path, "~/.ssh/")
	t := Token{Kind: "ssh", Name: "ssh:" + dataWord(name, "key"), Owner: dataShown(comment),
		Places: []Place{{Path: path, Key: "private key"}}, Facts: Facts{"passphrase": k.lock}}
	hardware := false
	if k.public != nil {
		t.ID = ssh.FingerprintSHA256(k.public)
		t.Facts["public"] = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.public)))
		hardware = strings.HasPrefix(k.public.Type(), "sk-")
	}
	switch {
	case hardware:
		t.Note = "It is of no use without the security key that it belongs to."
	case k.lock == "no":
		t.Note = "It has no passphrase: who read the file has the key."
	case k.lock == "yes":
		t.Note = "It has a passphrase: who read the file must guess that first."
	default:
		t.Note = "It could not be told whether it has a passphrase."
	}
	return t
}

// sshRead looks at a file with a private key. The key itself is decoded only in
// the old formats, which do not tell the public half.
func sshRead(data []byte) (k sshKey, ok bool) {
	block, _ := pem.Decode(data)
	if block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return sshKey{}, false
	}
	defer clear(block.Bytes)
	k.lock = "unknown"
	if block.Type == "OPENSSH PRIVATE KEY" {
		// PROTOCOL.key of OpenSSH: the public half stands before what may be
		// encrypted.
		var head struct {
			Cipher, KDF string
			Options     string
			Keys        uint32
			Public      []byte
			Rest        []byte `ssh:"rest"`
		}
		body, found := bytes.CutPrefix(block.Bytes, []byte("openssh-key-v1\x00"))
		if !found || ssh.Unmarshal(body, &head) != nil {
			return k, true
		}
		// A copy: what is parsed may point into what is wiped. nil is "not known".
		k.public, _ = ssh.ParsePublicKey(bytes.Clone(head.Public))
		if k.lock = "yes"; head.Cipher == "none" {
			k.lock = "no"
		}
		return k, true
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		k.lock = "yes"
		return k, true
	}
	private, err := ssh.ParseRawPrivateKey(data)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		k.lock = "yes"
	case err == nil:
		k.lock = "no"
		if signer, err := ssh.NewSignerFromKey(private); err == nil {
			k.public = signer.PublicKey()
		}
	}
	return k, true
}
