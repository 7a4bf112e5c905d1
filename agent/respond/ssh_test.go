package respond

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestSSHFinds: which keys there are, and which of them are lost with their
// file. The formats are those that ssh-keygen and openssl write.
func TestSSHFinds(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	must := func(b *pem.Block, err error) *pem.Block {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	public := func(k crypto.Signer) ssh.PublicKey {
		p, err := ssh.NewPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	sk := ssh.Marshal(struct {
		Type string
		Key  []byte
		App  string
	}{"sk-ssh-ed25519@openssh.com", []byte(ed.Public().(ed25519.PublicKey)), "ssh:"})
	const kind = " PRIVATE KEY"
	cases := []struct {
		file   string
		block  *pem.Block
		beside crypto.Signer // whose public key lies beside it
		id     ssh.PublicKey // nil: not known
		lock   string
		note   string
	}{
		{"id_ed25519", must(ssh.MarshalPrivateKey(ed, "alice@laptop")), ed, public(ed), "no", "has no passphrase"},
		{"id_locked", must(ssh.MarshalPrivateKeyWithPassphrase(ed, "", []byte("pass"))), nil, public(ed), "yes", "has a passphrase"},
		{"id_ecdsa", must(ssh.MarshalPrivateKey(ec, "")), ed, public(ec), "no", "has no passphrase"}, // another's .pub
		{"id_ec_old", &pem.Block{Type: "EC" + kind, Bytes: sec1}, nil, public(ec), "no", "has no passphrase"},
		{"id_rsa", &pem.Block{Type: "RSA" + kind, Bytes: x509.MarshalPKCS1PrivateKey(r)}, nil, public(r), "no", "has no passphrase"},
		{"id_pkcs8", &pem.Block{Type: strings.TrimSpace(kind), Bytes: pkcs8}, nil, public(ec), "no", "has no passphrase"},
		{"id_old_locked", &pem.Block{Type: "RSA" + kind, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00112233445566778899AABBCCDDEEFF"}, Bytes: []byte(testRandom(64))}, r, public(r), "yes", "has a passphrase"},
		{"id_pkcs8_locked", &pem.Block{Type: "ENCRYPTED" + kind, Bytes: []byte(testRandom(64))}, nil, nil, "yes", "has a passphrase"},
		{"id_token_sk", &pem.Block{Type: "OPENSSH" + kind, Bytes: append([]byte("openssh-key-v1\x00"), ssh.Marshal(struct {
			Cipher, KDF, Options string
			Keys                 uint32
			Public, Private      []byte
		}{"none", "none", "", 1, sk, []byte(testRandom(40))})...)}, nil, nil, "no", "security key"},
		{"id_rubbish", &pem.Block{Type: "OPENSSH" + kind, Bytes: []byte("openssh-key-v1\x00\xff\xff\xff\xff")}, nil, nil, "unknown", "could not be told"},
	}
	m := testMachine(t)
	for _, c := range cases {
		testPut(t, m, "~/.ssh/"+c.file, string(pem.EncodeToMemory(c.block)))
		if c.beside != nil {
			testPut(t, m, "~/.ssh/"+c.file+".pub", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public(c.beside))))+" alice@laptop\n")
		}
	}
	testPut(t, m, "~/.ssh/config", "Host x\n")
	testPut(t, m, "~/.ssh/id_notes", "no key\n")
	testPut(t, m, "~/.ssh/other", string(pem.EncodeToMemory(cases[0].block)))
	testPut(t, m, "~/.ssh/id_huge", strings.Repeat("x", 5<<20))

	k := dataKind(t, "ssh")
	found, err := k.Find(t.Context(), m, nil)
	if !errors.Is(err, ErrPartly) || !strings.Contains(err.Error(), "id_huge") {
		t.Errorf("Find: %v", err)
	}
	if err := os.Remove(m.Abs("~/.ssh/id_huge")); err != nil {
		t.Fatal(err)
	}
	if len(found) != len(cases) {
		t.Fatalf("%d keys, want %d", len(found), len(cases))
	}
	for _, c := range cases {
		var got Token
		for _, f := range found {
			if f.Name == "ssh:"+c.file {
				got = f
			}
		}
		id := ""
		if c.id != nil {
			id = ssh.FingerprintSHA256(c.id)
		}
		if c.note == "security key" {
			id = got.ID // x/crypto knows the type or it does not
			if !strings.HasPrefix(got.Facts["public"], "sk-ssh-ed25519@openssh.com ") {
				t.Errorf("%s: public %q", c.file, got.Facts["public"])
			}
		}
		if got.ID != id || got.Facts["passphrase"] != c.lock || !strings.Contains(got.Note, c.note) || !got.Value.Empty() {
			t.Errorf("%s: %+v", c.file, got)
		}
		comment := ""
		if c.file == "id_ed25519" || c.file == "id_old_locked" {
			comment = "alice@laptop"
		}
		if got.Owner != comment {
			t.Errorf("%s: comment %q", c.file, got.Owner)
		}
		if id != "" && !strings.Contains(strings.Join(k.Pages(got)[0].Steps, " "), id[:20]) {
			t.Errorf("%s: its page does not name the key: %q", c.file, k.Pages(got)[0].Steps)
		}
	}
	only, err := k.Find(t.Context(), m, []string{"~/.ssh/id_old_locked"})
	if err != nil || len(only) != 1 || only[0].ID != "" {
		t.Errorf("Find opens the public key, which it may not: %+v, %v", only, err)
	}
	all, err := Unheld(t.Context(), m, nil)
	if err != nil || len(all) != len(cases) {
		t.Errorf("Unheld: %d keys, %v", len(all), err)
	}
	if k.Install != nil || k.Forget != nil || k.Create != nil || k.Revoke != nil {
		t.Error("SSH keys can be changed")
	}
}
