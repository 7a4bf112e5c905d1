package words

// The sentences of the notifications. Their alerts' own come from
// [Words.Alert].
const (
	NoticeRespond  Key = "notice-respond"   // buttons
	NoticeFreeze   Key = "notice-freeze"    //
	NoticeResume   Key = "notice-resume"    //
	NoticeItWasMe  Key = "notice-it-was-me" //
	NoticeDetails  Key = "notice-details"   //
	NoticeAll      Key = "notice-all"       //
	NoticeEndPause Key = "notice-end-pause" //

	NoticeDemo      Key = "notice-demo" // the title of an alert of a demonstration
	NoticeDoDemo    Key = "notice-do-demo"
	NoticeFrozen    Key = "notice-frozen"     // what to do, before the sentence of an alert
	NoticeFrozeNone Key = "notice-froze-none" //
	NoticeDoFreeze  Key = "notice-do-freeze"  //
	NoticeDoAsk     Key = "notice-do-ask"     //
	NoticeDoRespond Key = "notice-do-respond" //
	NoticeDoLook    Key = "notice-do-look"    //
	NoticeUnknown   Key = "notice-unknown"    // the title of an alert without one

	NoticeMore     Key = "notice-more"      // the digest
	NoticeOpen     Key = "notice-open"      // the digest at the start
	NoticeGravest  Key = "notice-gravest"   //
	NoticeTheAlert Key = "notice-the-alert" //

	NoticeHeld       Key = "notice-held"        // what do-not-disturb held back for long
	NoticeHeldQuiet  Key = "notice-held-quiet"  //
	NoticeHeldShared Key = "notice-held-shared" //

	NoticePaused       Key = "notice-paused"        // while alerts are kept back
	NoticePausedBody   Key = "notice-paused-body"   //
	NoticeResumed      Key = "notice-resumed"       // when they no longer are
	NoticeMissedNone   Key = "notice-missed-none"   //
	NoticeMissed       Key = "notice-missed"        //
	NoticeAbsent       Key = "notice-absent"        // the agent does not answer
	NoticeAbsentBody   Key = "notice-absent-body"   //
	NoticeSeeAlert     Key = "notice-see-alert"     // where there are no buttons
	NoticeSeeAlerts    Key = "notice-see-alerts"    //
	NoticeSeeDoctor    Key = "notice-see-doctor"    //
	NoticeTerminal     Key = "notice-terminal"      // a line on a terminal: severity, title, sentence
	NoticeLowWord      Key = "notice-low-word"      // severities on a terminal
	NoticeMediumWord   Key = "notice-medium-word"   //
	NoticeHighWord     Key = "notice-high-word"     //
	NoticeCriticalWord Key = "notice-critical-word" //
)

// noticeTexts are the sentences of the notice.
var noticeTexts = map[Key]text{
	NoticeRespond:  {En: "Respond…", Ja: "対処する…"},
	NoticeFreeze:   {En: "Freeze it", Ja: "一時停止する"},
	NoticeResume:   {En: "Let it go on", Ja: "プロセスを再開する"},
	NoticeItWasMe:  {En: "It was me…", Ja: "自分の操作です…"},
	NoticeDetails:  {En: "Details", Ja: "詳細"},
	NoticeAll:      {En: "Show all", Ja: "すべて表示"},
	NoticeEndPause: {En: "End the pause", Ja: "通知を再開する"},

	NoticeDemo:      {En: "Demonstration: %[1]s", Ja: "デモ：%[1]s"},
	NoticeDoDemo:    {En: "This is a demonstration: nothing of yours was read.", Ja: "これはデモです。あなたの情報は読み取られていません。"},
	NoticeFrozen:    {En: "It is frozen and does nothing for now: respond next.", Ja: "一時停止中です。次は「対処する」に進んでください。"},
	NoticeFrozeNone: {En: "Nothing could be frozen: respond now.", Ja: "一時停止できたプロセスはありません。すぐに「対処する」に進んでください。"},
	NoticeDoFreeze:  {En: "Freeze it now, then respond.", Ja: "今すぐ一時停止し、「対処する」に進んでください。"},
	NoticeDoAsk:     {En: "Was it not you? Freeze it, then respond.", Ja: "心当たりがなければ、一時停止してから「対処する」に進んでください。"},
	NoticeDoRespond: {En: "Respond to it: the steps are laid out for you.", Ja: "「対処する」に進んでください。手順が示されます。"},
	NoticeDoLook:    {En: "Look at the details when you have a moment.", Ja: "時間のあるときに詳細を確認してください。"},

	NoticeUnknown: {En: "Wormbell has an alert", Ja: "Wormbell の警告"},

	NoticeMore:     {En: "%[1]d new alerts", One: "%[1]d new alert", Ja: "新しい警告が %[1]d 件あります"},
	NoticeOpen:     {En: "%[1]d critical alerts are still open", One: "%[1]d critical alert is still open", Ja: "未対応の重大な警告が %[1]d 件あります"},
	NoticeGravest:  {En: "Most serious: %[1]s", Ja: "最も重大なもの：%[1]s"},
	NoticeTheAlert: {En: "%[1]s: %[2]s", Ja: "%[1]s：%[2]s"},

	NoticeHeld:       {En: "%[1]d alerts were held back", One: "An alert was held back", Ja: "%[1]d 件の警告の通知を控えていました"},
	NoticeHeldQuiet:  {En: "Do-not-disturb is on, so you are told only now, an hour later. Look at them soon.", Ja: "サイレントモードのため、1 時間たってからお知らせしています。早めに確認してください。"},
	NoticeHeldShared: {En: "The screen is shared, so you are told only now, an hour later, and not here what happened. Look at them soon.", Ja: "画面の共有中のため、1 時間たってからお知らせしています。内容はここには表示しません。早めに確認してください。"},

	NoticePaused:     {En: "Notifications are paused until %[1]s", Ja: "%[1]s まで通知を停止しています"},
	NoticePausedBody: {En: "Wormbell goes on watching and recording. Critical alerts are shown all the same; you are told of the others at the end.", Ja: "監視と記録は続いています。重大な警告はすぐに、それ以外は終わりにまとめてお知らせします。"},
	NoticeResumed:    {En: "Notifications are on again", Ja: "通知を再開しました"},
	NoticeMissedNone: {En: "The pause is over. There was no alert that you have not been told of.", Ja: "通知の停止が終わりました。まだお知らせしていない警告はありません。"},
	NoticeMissed:     {En: "There were %[1]d alerts during the pause. Most serious: %[2]s", One: "There was %[1]d alert during the pause: %[2]s", Ja: "通知の停止中に %[1]d 件の警告がありました。最も重大なもの：%[2]s"},
	NoticeAbsent:     {En: "Wormbell is not watching", Ja: "Wormbell は監視していません"},
	NoticeAbsentBody: {En: "Wormbell has not answered for a minute. Until it runs again, nothing is seen.", Ja: "1 分間応答していません。再び動くまで、何も検知できません。"},

	NoticeSeeAlert:  {En: "To see it and to respond: wormbell alert show %[1]s", Ja: "確認と対処：wormbell alert show %[1]s"},
	NoticeSeeAlerts: {En: "To see them: wormbell alerts", Ja: "確認：wormbell alerts"},
	NoticeSeeDoctor: {En: "To see why: wormbell doctor", Ja: "原因の確認：wormbell doctor"},

	NoticeTerminal:     {En: "Wormbell, %[1]s: %[2]s: %[3]s", Ja: "Wormbell（%[1]s）%[2]s：%[3]s"},
	NoticeLowWord:      {En: "low", Ja: "低"},
	NoticeMediumWord:   {En: "medium", Ja: "中"},
	NoticeHighWord:     {En: "high", Ja: "高"},
	NoticeCriticalWord: {En: "critical", Ja: "重大"},
}
