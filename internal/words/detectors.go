package words

// detectorTexts say what each detector looks for, by its ID.
var detectorTexts = map[Key]text{
	"detects-credential-read":               {En: "A program read credentials that are not its own", Ja: "プログラムがほかのプログラムの認証情報を読み取った"},
	"detects-credential-sweep":              {En: "A program collects credentials", Ja: "プログラムが認証情報を集めている"},
	"detects-decoy-read":                    {En: "A program opened a decoy", Ja: "プログラムがおとりファイルを開いた"},
	"detects-guard-tampering":               {En: "A program tried to silence Wormbell", Ja: "プログラムが監視を無効にしようとした"},
	"detects-history-secret":                {En: "A token stands in your shell history", Ja: "シェルの履歴にトークンが残っている"},
	"detects-persistence-by-install-script": {En: "An install script made something start by itself", Ja: "インストールスクリプトが自動実行を設定した"},
	"detects-private-flag-removed":          {En: "A package.json lost its \"private\" flag", Ja: "package.json から「private」の指定が消えた"},
	"detects-publish-by-install-script":     {En: "An install script publishes packages", Ja: "インストールスクリプトがパッケージを公開している"},
	"detects-publish-loop":                  {En: "A program publishes packages in a loop", Ja: "プログラムがパッケージを次々に公開している"},
	"detects-worm-command":                  {En: "A script ran a command that worms use", Ja: "スクリプトがワームのよく使うコマンドを実行した"},
}

// Detector says what the detector with that ID looks for, and whether it is
// known; of others the agent's own title is all there is.
func (w *Words) Detector(id string) (string, bool) {
	key := Key("detects-" + id)
	if _, ok := detectorTexts[key]; !ok {
		return "", false
	}
	return w.Say(key), true
}
