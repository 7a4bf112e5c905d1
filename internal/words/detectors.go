package words

// What each detector looks for, by its ID.
const (
	detectsRead     Key = "detects-credential-read"
	detectsSweep    Key = "detects-credential-sweep"
	detectsDecoy    Key = "detects-decoy-read"
	detectsSilence  Key = "detects-guard-tampering"
	detectsHistory  Key = "detects-history-secret"
	detectsPrivate  Key = "detects-private-flag-removed"
	detectsByScript Key = "detects-publish-by-install-script"
	detectsLoop     Key = "detects-publish-loop"
)

var detectorTexts = map[Key]text{
	detectsRead:     {En: "A program read credentials that are not its own", Ja: "プログラムがほかのプログラムの認証情報を読み取った"},
	detectsSweep:    {En: "A program collects credentials", Ja: "プログラムが認証情報を集めている"},
	detectsDecoy:    {En: "A program opened a decoy", Ja: "プログラムがおとりファイルを開いた"},
	detectsSilence:  {En: "A program tried to silence Wormbell", Ja: "プログラムが監視を無効にしようとした"},
	detectsHistory:  {En: "A token stands in your shell history", Ja: "シェルの履歴にトークンが残っている"},
	detectsPrivate:  {En: "A package.json lost its \"private\" flag", Ja: "package.json から「private」の指定が消えた"},
	detectsByScript: {En: "An install script publishes packages", Ja: "インストールスクリプトがパッケージを公開している"},
	detectsLoop:     {En: "A program publishes packages in a loop", Ja: "プログラムがパッケージを次々に公開している"},
}

// Detector says what the detector with that ID looks for, and whether it is
// known; of others the agent's own title is all there is.
func (w *Words) Detector(id string) (string, bool) {
	for _, key := range []Key{detectsRead, detectsSweep, detectsDecoy, detectsSilence, detectsHistory, detectsPrivate, detectsByScript, detectsLoop} {
		if string(key) == "detects-"+id {
			return w.Say(key), true
		}
	}
	return "", false
}
