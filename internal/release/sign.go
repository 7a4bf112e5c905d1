package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Keys are the files with which a release is signed; "" for what is not. They
// are read where they lie and are copied nowhere but into a GnuPG folder that
// is removed at the end.
type Keys struct {
	SSH string // an OpenSSH private key
	PGP string // an OpenPGP secret key, armoured, RSA (older rpm knows no other), without a passphrase
	APK string // an RSA private key in PEM
}

// signerName is for whom and for what an SSH signature is made: an allowed
// signers line says both (ssh-keygen(1)).
const signerName = "wormbell-release"

// apkKeyName is the file below /etc/apk/keys that apk looks for.
const apkKeyName = "wormbell.rsa.pub"

// signer signs. Its zero value signs nothing.
type signer struct {
	b       *build
	home    string // GnuPG's folder; "" without a key
	sshLine string // the allowed signers line of the SSH key
	pgpKey  []byte // the public key, binary
}

// takeKeys reads the public halves, and says loudly what is not signed.
func (b *build) takeKeys(ctx context.Context) error {
	b.signer = &signer{b: b}
	for what, file := range map[string]*string{"SIGN_SSH_KEY": &b.Keys.SSH, "SIGN_PGP_KEY": &b.Keys.PGP, "SIGN_APK_KEY": &b.Keys.APK} {
		if *file == "" {
			b.say("  UNSIGNED: no %s", what)
			continue
		}
		abs, err := filepath.Abs(*file)
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		*file = abs
	}
	if b.Keys.SSH != "" {
		public, err := b.output(ctx, b.work, "ssh-keygen", "-y", "-f", b.Keys.SSH)
		if err != nil {
			return err
		}
		words := strings.Fields(public)
		if len(words) < 2 {
			return fmt.Errorf("%q has no public key", b.Keys.SSH)
		}
		b.signer.sshLine = fmt.Sprintf(`%s namespaces="%s" %s %s`, signerName, signerName, words[0], words[1])
	}
	if b.Keys.PGP != "" {
		home, err := os.MkdirTemp("", "wormbell-gpg-") // short: the agent's socket lies in it
		if err != nil {
			return fmt.Errorf("make a folder for GnuPG: %w", err)
		}
		b.signer.home = home
		if _, err := b.signer.gpg(ctx, "--import", b.Keys.PGP); err != nil {
			return err
		}
		key, err := b.signer.gpg(ctx, "--export")
		if err != nil {
			return err
		}
		b.signer.pgpKey = []byte(key)
	}
	return nil
}

// close ends GnuPG's agent and removes the key.
func (s *signer) close() {
	if s.home == "" {
		return
	}
	// What a release was cancelled for must not keep the key here.
	_, _ = s.b.outputEnv(context.Background(), s.b.work, []string{"GNUPGHOME=" + s.home}, "gpgconf", "--kill", "all")
	if err := os.RemoveAll(s.home); err != nil {
		s.b.say("the key is still in %s: %v", s.home, err)
	}
}

func (s *signer) gpg(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"--batch", "--no-tty", "--yes", "--digest-algo", "SHA256"}, args...)
	out, err := s.b.rawOutput(ctx, s.b.work, []string{"GNUPGHOME=" + s.home}, "gpg", args...)
	return string(out), err
}

// pgp writes a signature of file beside it: armoured as .asc, binary as .sig,
// or the file with its signature around it. Without a key it does nothing.
func (s *signer) pgp(ctx context.Context, file, to, how string) error {
	if s.home == "" {
		return nil
	}
	args := map[string][]string{"armoured": {"--armor", "--detach-sign"}, "binary": {"--detach-sign"}, "around": {"--armor", "--clear-sign"}}[how]
	_, err := s.gpg(ctx, append(append([]string{"--output", to}, args...), file)...)
	return err
}

// signIn says in nfpm's words with which key a package is signed. What else
// there is (archlinux) is signed beside it; deb packages are not signed, their
// repository is. It returns whether the package has a signature in it.
func (b *build) signIn(c object, p pkg) bool {
	switch {
	case p.format == rpm && b.Keys.PGP != "":
		own, _ := c["rpm"].(object)
		own["signature"] = object{"key_file": b.Keys.PGP}
		return true
	case p.format == apk && b.Keys.APK != "":
		own, ok := c["apk"].(object)
		if !ok {
			own = object{}
			c["apk"] = own
		}
		own["signature"] = object{"key_file": b.Keys.APK, "key_name": apkKeyName}
		return true
	}
	return false
}

// sums writes SHA256SUMS over all files in the output folder, and its
// signatures. The repositories are signed on their own.
//
// A signature in a package changes the package: what a rebuild without keys is
// to be compared with are the sums in SHA256SUMS.unsigned.
func (b *build) sums(ctx context.Context) error {
	if b.signer.home != "" {
		for name, data := range map[string][]byte{"wormbell.gpg": b.signer.pgpKey} {
			if err := os.WriteFile(filepath.Join(b.Out, name), data, 0o644); err != nil {
				return fmt.Errorf("write the public key: %w", err)
			}
		}
	}
	if b.signer.sshLine != "" {
		if err := os.WriteFile(filepath.Join(b.Out, "wormbell.allowed-signers"), []byte(b.signer.sshLine+"\n"), 0o644); err != nil {
			return fmt.Errorf("write the public key: %w", err)
		}
	}
	if err := b.unsignedSums(); err != nil {
		return err
	}
	text, err := sumFolder(b.Out, nil)
	if err != nil {
		return err
	}
	file := filepath.Join(b.Out, "SHA256SUMS")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write the sums: %w", err)
	}
	if b.Keys.SSH != "" {
		if _, err := b.output(ctx, b.work, "ssh-keygen", "-q", "-Y", "sign", "-f", b.Keys.SSH, "-n", signerName, abs(file)); err != nil {
			return err
		}
	}
	return b.signer.pgp(ctx, abs(file), abs(file)+".asc", "armoured")
}

// unsignedSums writes what the packages sum to before they were signed.
func (b *build) unsignedSums() error {
	unsigned := filepath.Join(b.work, "unsigned")
	if _, err := os.Stat(unsigned); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	text, err := sumFolder(unsigned, nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.Out, "SHA256SUMS.unsigned"), text, 0o644); err != nil {
		return fmt.Errorf("write the sums: %w", err)
	}
	return nil
}

// sumFolder sums the files of a folder as sha256sum does, sorted by name.
func sumFolder(dir string, skip func(name string) bool) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", dir, err)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var text bytes.Buffer
	for _, e := range entries {
		if e.IsDir() || skip != nil && skip(e.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", e.Name(), err)
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(&text, "%s  %s\n", hex.EncodeToString(sum[:]), e.Name())
	}
	return text.Bytes(), nil
}

// abs is for paths that were made absolute or lie below such a one before.
func abs(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// installScript writes install.sh with this release's version and public keys.
func (b *build) installScript(context.Context) error {
	text, err := os.ReadFile(filepath.Join(b.src, "packaging/install.sh"))
	if err != nil {
		return fmt.Errorf("read install.sh: %w", err)
	}
	for place, value := range map[string]string{
		"@VERSION@": b.version.String(), "@BASE@": b.Base, "@SSH_SIGNER@": b.signer.sshLine,
		"@PGP_KEY@": base64.StdEncoding.EncodeToString(b.signer.pgpKey),
	} {
		if strings.ContainsAny(value, "'\n\\") {
			return fmt.Errorf("%s cannot be written into a script: %q", place, value)
		}
		if !bytes.Contains(text, []byte("'"+place+"'")) {
			return fmt.Errorf("install.sh has no place %s", place)
		}
		text = bytes.Replace(text, []byte("'"+place+"'"), []byte("'"+value+"'"), 1)
	}
	if err := os.WriteFile(filepath.Join(b.Out, "install.sh"), text, 0o755); err != nil {
		return fmt.Errorf("write install.sh: %w", err)
	}
	return nil
}
