package words

import (
	"wormbell/internal/plain"
	"wormbell/internal/stores"
)

// storeNames are the Japanese names of what is in each store, by its ID. The
// English ones are those of the stores.
var storeNames = map[string]string{
	"aws":              "AWS キー",
	"azure":            "Azure のログイン情報",
	"browser":          "ブラウザーのパスワードと Cookie",
	"bun":              "bun のレジストリトークン",
	"cargo":            "crates のレジストリトークン",
	"claude":           "Claude のログイン情報",
	"codex":            "Codex のログイン情報",
	"continue":         "API キーを含む Continue の設定",
	"copilot":          "Copilot のログイン情報",
	"docker":           "Docker レジストリのログイン情報",
	"editor":           "エディターのセッション",
	"env":              "プロジェクトの秘密情報",
	"gcloud":           "Google Cloud のログイン情報",
	"gem":              "RubyGems のキー",
	"gemini":           "Gemini のログイン情報",
	"gh":               "GitHub トークン",
	"git":              "git のパスワード",
	"glab":             "GitLab トークン",
	"gpg":              "GPG 鍵",
	"gradle":           "パスワードを含む Gradle の設定",
	"history":          "シェルの履歴",
	"kiro":             "API キーを含む Kiro の設定",
	"kube":             "Kubernetes のログイン情報",
	"maven":            "パスワードを含む Maven の設定",
	"netrc":            "netrc のパスワード",
	"npm":              "npm トークン",
	"nuget":            "キーを含む NuGet の設定",
	"password-manager": "パスワードマネージャーのデータ",
	"pnpm":             "pnpm のレジストリトークン",
	"pulumi":           "Pulumi トークン",
	"pypi":             "PyPI トークン",
	"ssh":              "SSH 鍵",
	"terraform":        "Terraform トークン",
	"vault":            "Vault トークン",
	"vercel":           "デプロイ用トークン",
	"wallet":           "暗号資産ウォレット",
	"solana":           "Solana の鍵",
	"windsurf":         "API キーを含む Windsurf の設定",
	"yarn":             "yarn のレジストリトークン",
}

// storeTexts are what is in each store. A store without a Japanese name fails
// the test of completeness.
var storeTexts = func() map[Key]text {
	all := map[Key]text{
		"store-*":       {En: "credentials of every kind", Ja: "すべての認証情報"},
		"store-strict":  {En: "credentials of every program", Ja: "プログラムの認証情報すべて"},
		"store-decoy":   {En: "decoy", Ja: "おとりファイル"},
		"store-project": {En: "credentials that projects use", Ja: "プロジェクトが使う認証情報"},
	}
	for _, s := range stores.All {
		all[Key("store-"+s.ID)] = text{En: s.Kind, Ja: storeNames[s.ID]}
	}
	return all
}()

// Store says what is in a store, by its ID: "npm tokens".
func (w *Words) Store(id string) string {
	key := Key("store-" + id)
	if _, ok := storeTexts[key]; !ok {
		return plain.Cut(id, maxName)
	}
	return w.Say(key)
}
