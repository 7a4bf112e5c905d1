package respond

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"wormbell/agent/respond/edit"
)

// What files say of a token besides its value, for the rows of [services].

// dataBeside returns what stands beside e under name, "" if nothing does.
func dataBeside(all []edit.Entry, e edit.Entry, name string) string {
	return dataAt(all, append(slices.Clone(e.Path[:len(e.Path)-1]), name)...)
}

// dataAt returns what is named like this in a file, "" if nothing is.
func dataAt(all []edit.Entry, path ...string) string {
	for _, e := range all {
		if slices.Equal(e.Path, path) {
			return e.Value
		}
	}
	return ""
}

// dataLogin takes user:password out of base 64.
func dataLogin(encoded string) (user, password string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(strings.TrimRight(string(raw), "\x00"), ":")
	return user, password, ok
}

// dataLoginText is the reverse.
func dataLoginText(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// slackTell: the Slack CLI keeps a login for each team, under its ID.
func slackTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	t.ID = dataShown(e.Path[0])
	if domain := dataBeside(all, e, "team_domain"); domain != "" {
		t.Name = domain
	}
	t.Owner = dataShown(dataBeside(all, e, "user_id"))
}

// vaultTell: the file does not say whose token it is; the environment does.
func vaultTell(m *Machine, t *Token, _ edit.Entry, _ []edit.Entry) {
	addr, space := m.Getenv("VAULT_ADDR"), m.Getenv("VAULT_NAMESPACE")
	if a := m.Getenv("BAO_ADDR"); addr == "" && a != "" {
		addr, space = a, m.Getenv("BAO_NAMESPACE")
	}
	u, err := url.Parse(addr)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		t.Note = "VAULT_ADDR is not set to a server, so it is not known whose token it is."
		return
	}
	t.Site, t.Name = u.Scheme+"://"+u.Host+strings.TrimRight(u.EscapedPath(), "/"), u.Host
	if space != "" {
		t.Facts["namespace"] = space
	}
	if strings.HasPrefix(t.Value.Reveal(), "hvb.") {
		t.Note = "It is a batch token: nobody can revoke it, and it dies when it expires."
	}
}

// cratesTell: the registries of others are not sent anything, for where they
// are stands elsewhere.
func cratesTell(_ *Machine, t *Token, _ edit.Entry, _ []edit.Entry) {
	t.Note = "It is for another registry than crates.io, which Wormbell does not know: revoke it there."
}

// vercelTell: a login is renewed by the CLI; a token that was pasted is not.
func vercelTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	t.ID = ""
	if dataBeside(all, e, "refreshToken") != "" {
		t.Facts["login"] = "run vercel login"
	}
}

// stripeTell: a login of the Stripe CLI makes keys that live for 90 days.
func stripeTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	t.Owner = dataShown(dataBeside(all, e, "account_id"))
}

// dockerTell notes what stands elsewhere.
func dockerTell(_ *Machine, t *Token, e edit.Entry, _ []edit.Entry) {
	t.Note = "The file holds no password: Docker keeps it with docker-credential-" + dataWord(e.Value, "?") +
		", which any program of yours may ask for it."
}

// claudeTell and codexTell: the refresh token is what a login lives by.
func claudeTell(_ *Machine, t *Token, _ edit.Entry, _ []edit.Entry) {
	t.Note = "It is a login of Claude Code; there is no documented call that revokes it or says whether it is alive."
}

func codexTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	t.ID = dataShown(dataBeside(all, e, "account_id"))
	t.Note = "It is a ChatGPT login of Codex; there is no documented call that revokes it or says whether it is alive."
}

// kubeTell: users stand in a list, each with its name.
func kubeTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	if name := dataAt(all, e.Path[0], e.Path[1], "name"); name != "" {
		t.Name, t.Owner = name, dataShown(name)
	}
	switch e.Path[len(e.Path)-1] {
	case "client-key-data":
		t.Note = "It is a client certificate, which Kubernetes cannot revoke: only its user's roles can be taken away, or the cluster's CA replaced."
	case "command":
		t.Note = "The file holds no secret: " + dataWord(e.Value, "a program") + " gets one, by a login that must be revoked itself."
	case "client-key", "tokenFile":
		t.Note = "The secret stands in another file: " + dataShown(e.Value) + "."
	}
}

// azureTell: refresh tokens name their account by an ID, whose user name stands
// in another part of the file.
func azureTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	id := dataBeside(all, e, "home_account_id")
	t.Facts["client"] = dataShown(dataBeside(all, e, "client_id"))
	for _, a := range all {
		if len(a.Path) == 3 && a.Path[0] == "Account" && a.Path[2] == "home_account_id" && a.Value == id && id != "" {
			t.Owner = dataShown(dataBeside(all, a, "username"))
		}
	}
	t.ID, t.Name = dataShown(id), t.Owner
	t.Note = "It is a login of the Azure CLI; only Microsoft Graph can end it, with a token that Wormbell does not make."
}

// azureSecretTell: the CLI keeps service principals in a list.
func azureSecretTell(_ *Machine, t *Token, e edit.Entry, all []edit.Entry) {
	t.ID = dataShown(dataBeside(all, e, "client_id"))
	t.Name, t.Owner = t.ID, t.ID
	t.Note = "It is the secret of an application; its owner revokes it."
}
