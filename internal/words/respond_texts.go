package words

// Of respondTexts, what code says.
const (
	DashAskPhraseNew   Key = "dash-ask-phrase-new"
	DashAskPhraseAgain Key = "dash-ask-phrase-again"
	DashPhraseDiffers  Key = "dash-phrase-differs"
)

// respondTexts are what the page of a response says besides what the response
// says itself.
var respondTexts = map[Key]text{
	"dash-r-skip":       {En: "Go on without it", Ja: "入力せずに続ける"},
	"dash-r-skip-note":  {En: "What needs it is left as it is, and the rest is done.", Ja: "これが必要な処理は行わず、ほかの処理を続けます。"},
	"dash-r-close":      {En: "Close the alert", Ja: "警告を対応済みにする"},
	"dash-r-close-note": {En: "When you have done what is left yourself, or when there is nothing left.", Ja: "残っていることをご自身で済ませたとき、または何も残っていないときに選んでください。"},
	DashAskPhraseNew:    {En: "New passphrase for the sealed file, at least %[1]d characters", Ja: "封をする新しいパスフレーズ（%[1]d 文字以上）"},
	DashAskPhraseAgain:  {En: "The same passphrase once more", Ja: "同じパスフレーズをもう一度"},
	DashPhraseDiffers:   {En: "These are two different passphrases. Nothing was sealed.", Ja: "2 つのパスフレーズが一致しません。まだ封をしていません。"},
}
