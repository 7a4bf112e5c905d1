package words

import "time"

// The sentences of the tray: its menu, and what it says of what a click did.
const (
	TrayConnecting Key = "tray-connecting" // the first line: how it is
	TrayAbsent     Key = "tray-absent"     //
	TrayForbidden  Key = "tray-forbidden"  //
	TrayImpostor   Key = "tray-impostor"   //
	TrayWatching   Key = "tray-watching"   //
	TrayLess       Key = "tray-less"       //
	TrayOpen       Key = "tray-open"       //

	TrayStart       Key = "tray-start"        // below it: why, and what to do
	TrayNotYours    Key = "tray-not-yours"    //
	TrayDistrust    Key = "tray-distrust"     //
	TraySensorDown  Key = "tray-sensor-down"  //
	TrayBlind       Key = "tray-blind"        //
	TrayAndMore     Key = "tray-and-more"     //
	TrayLost        Key = "tray-lost"         //
	TrayPausedUntil Key = "tray-paused-until" // the first line while there is a pause
	TrayHeldQuiet   Key = "tray-held-quiet"   // below it: what keeps notifications back
	TrayHeldShared  Key = "tray-held-shared"  //
	TrayUntold      Key = "tray-untold"       //

	TrayNoAlerts  Key = "tray-no-alerts" // the alerts
	TrayUnknown   Key = "tray-unknown"   //
	TrayAlert     Key = "tray-alert"     // severity, title, time
	TrayLow       Key = "tray-low"       // severities, with a mark that can be told without colours
	TrayMedium    Key = "tray-medium"    //
	TrayHigh      Key = "tray-high"      //
	TrayCritical  Key = "tray-critical"  //
	TrayFrozen    Key = "tray-frozen"    //
	TrayUntitled  Key = "tray-untitled"  //
	TrayMore      Key = "tray-more"      //
	TrayShow      Key = "tray-show"      //
	TrayRespond   Key = "tray-respond"   //
	TrayFreeze    Key = "tray-freeze"    //
	TrayResume    Key = "tray-resume"    //
	TrayOver      Key = "tray-over"      // instead of TrayFreeze
	TrayItWasMe   Key = "tray-it-was-me" //
	TrayClose     Key = "tray-close"     //
	TrayCloseAsk  Key = "tray-close-ask" //
	TrayMoreShell Key = "tray-more-shell"

	TrayPause         Key = "tray-pause"          // the rest of the menu
	TrayEndPause      Key = "tray-end-pause"      //
	TrayProtect       Key = "tray-protect"        //
	TrayProtectCannot Key = "tray-protect-cannot" //
	TrayProtectRoot   Key = "tray-protect-root"   //
	TrayPausedForAll  Key = "tray-paused-for-all" //
	TrayPauseLocked   Key = "tray-pause-locked"   //
	TrayProtectLocked Key = "tray-protect-locked" //
	TrayDashboard     Key = "tray-dashboard"      //
	TrayHealth        Key = "tray-health"         //
	TrayNoBrowser     Key = "tray-no-browser"     //
	TrayQuit          Key = "tray-quit"           //
	TrayTip           Key = "tray-tip"            // at the icon

	TrayRefused         Key = "tray-refused"      // notices: what a click did
	TrayRefusedHint     Key = "tray-refused-hint" //
	TrayFroze           Key = "tray-froze"        //
	TrayFrozeBody       Key = "tray-froze-body"   //
	TrayFrozeLeft       Key = "tray-froze-left"   //
	TrayFrozeNone       Key = "tray-froze-none"   //
	TrayFrozeNoneBody   Key = "tray-froze-none-body"
	TrayFrozeFailed     Key = "tray-froze-failed" //
	TrayResumedBody     Key = "tray-resumed-body" //
	TrayResumedNone     Key = "tray-resumed-none" //
	TrayResumedNoneBody Key = "tray-resumed-none-body"
	TrayResumedLeft     Key = "tray-resumed-left"    //
	TrayResumeFailed    Key = "tray-resume-failed"   //
	TrayNameTaken       Key = "tray-name-taken"      //
	TrayNameTakenBody   Key = "tray-name-taken-body" //
	TrayResumed         Key = "tray-resumed"         //
	TrayClosed          Key = "tray-closed"          //
	TrayClosedBody      Key = "tray-closed-body"     //
	TrayClosedFrozen    Key = "tray-closed-frozen"   //
	TrayCannotShow      Key = "tray-cannot-show"     //
	TrayInsteadRun      Key = "tray-instead-run"     //
	TrayEnterToClose    Key = "tray-enter-to-close"  // in a terminal
	TrayAlreadyThere    Key = "tray-already-there"   // to the terminal that it was started from
	TrayNoDesktop       Key = "tray-no-desktop"      //
	TrayNotHere         Key = "tray-not-here"        //
	TrayProgramFailed   Key = "tray-program-failed"  //

	TraySilent Key = "tray-silent" // a line: the agent is there, but something is wrong with what it says
	TrayUnread Key = "tray-unread" // a line: of an agent that does answer otherwise
)

// trayTexts are the sentences of the tray. Lines of a menu are short: a menu is
// as wide as its longest.
var trayTexts = map[Key]text{
	TrayConnecting: {En: "Asking Wormbell…", Ja: "Wormbell に接続中…"},
	TrayAbsent:     {En: "Nothing is watched: Wormbell is not running", Ja: "監視されていません：Wormbell が動いていません"},
	TrayForbidden:  {En: "Nothing is known: Wormbell may not be asked", Ja: "状態不明：Wormbell への接続が許可されていません"},
	TrayImpostor:   {En: "Beware: another program poses as Wormbell", Ja: "注意：別のプログラムが Wormbell を装っています"},
	TrayWatching:   {En: "Watching", Ja: "監視中"},
	TrayLess:       {En: "Watching less than it should", Ja: "一部しか監視できていません"},
	TrayOpen:       {En: "%[1]d open alerts", One: "1 open alert", Ja: "未対応の警告 %[1]d 件"},

	TrayStart:       {En: "Why, and how to start it: wormbell doctor", Ja: "原因と起動方法：wormbell doctor"},
	TrayNotYours:    {En: "It runs for another user", Ja: "別のユーザーの Wormbell です"},
	TrayDistrust:    {En: "Believe nothing it says. What it is: wormbell doctor", Ja: "その表示を信用しないでください。確認：wormbell doctor"},
	TraySensorDown:  {En: "The sensor %[1]s is down", Ja: "センサー %[1]s が停止しています"},
	TrayBlind:       {En: "Cannot be seen here: %[1]s", Ja: "ここでは検知できません：%[1]s"},
	TrayAndMore:     {En: "%[1]s (and %[2]d more)", Ja: "%[1]s（ほか %[2]d 件）"},
	TrayLost:        {En: "%[1]d events were lost", One: "1 event was lost", Ja: "%[1]d 件のイベントを取りこぼしました"},
	TrayPausedUntil: {En: "%[1]s · notifications paused until %[2]s", Ja: "%[1]s・通知は %[2]s まで停止中"},
	TrayHeldQuiet:   {En: "Do-not-disturb holds %[1]d notifications back", One: "Do-not-disturb holds a notification back", Ja: "サイレントモードのため控えている通知：%[1]d 件"},
	TrayHeldShared:  {En: "The screen is shared: %[1]d notifications are held back", One: "The screen is shared: a notification is held back", Ja: "画面の共有中のため控えている通知：%[1]d 件"},
	TrayUntold:      {En: "Notifications cannot be shown. Why: wormbell doctor", Ja: "通知を表示できません。原因の確認：wormbell doctor"},

	TrayNoAlerts:  {En: "No open alerts", Ja: "未対応の警告はありません"},
	TrayUnknown:   {En: "Alerts cannot be read now", Ja: "現在、警告を読み込めません"},
	TrayAlert:     {En: "%[1]s: %[2]s · %[3]s", Ja: "%[1]s：%[2]s・%[3]s"},
	TrayLow:       {En: "Low", Ja: "低"},
	TrayMedium:    {En: "Medium", Ja: "中"},
	TrayHigh:      {En: "! High", Ja: "! 高"},
	TrayCritical:  {En: "!! Critical", Ja: "!! 重大"},
	TrayFrozen:    {En: "%[1]s (frozen)", Ja: "%[1]s（一時停止中）"},
	TrayUntitled:  {En: "Alert %[1]s", Ja: "警告 %[1]s"},
	TrayMore:      {En: "%[1]d more in the dashboard…", Ja: "ほか %[1]d 件はダッシュボードで…"},
	TrayMoreShell: {En: "%[1]d more: wormbell alerts", Ja: "ほか %[1]d 件：wormbell alerts"},
	TrayShow:      {En: "Show", Ja: "表示"},
	TrayRespond:   {En: "Respond…", Ja: "対処する…"},
	TrayFreeze:    {En: "Freeze it", Ja: "一時停止する"},
	TrayOver:      {En: "Nothing to freeze: it has ended", Ja: "一時停止できません：すでに終了しています"},
	TrayResume:    {En: "Let it go on", Ja: "プロセスを再開する"},
	TrayItWasMe:   {En: "It was me…", Ja: "自分の操作です…"},
	TrayClose:     {En: "Close: it is dealt with", Ja: "対応済みにする"},
	TrayCloseAsk:  {En: "Close…", Ja: "対応済みにする…"},

	TrayPause:         {En: "Pause notifications for an hour", Ja: "通知を 1 時間停止する"},
	TrayEndPause:      {En: "End the pause (until %[1]s)", Ja: "通知を再開する（%[1]s まで停止中）"},
	TrayProtect:       {En: "Protect: stop install scripts that read credentials", Ja: "保護：認証情報を読むスクリプトを阻止"},
	TrayProtectCannot: {En: "Protect: not possible here (%[1]s)", Ja: "保護：ここでは使えません（%[1]s）"},
	TrayProtectRoot:   {En: "Protect: only an administrator switches it", Ja: "保護：切り替えは管理者のみ"},
	TrayPausedForAll:  {En: "Paused for everybody by an administrator", Ja: "管理者が全員の通知を停止中"},
	TrayPauseLocked:   {En: "Pause: locked by your administrator", Ja: "通知の停止：管理者によるロック"},
	TrayProtectLocked: {En: "Protect: locked by your administrator", Ja: "保護：管理者によるロック"},
	TrayDashboard:     {En: "Open the dashboard", Ja: "ダッシュボードを開く"},
	TrayHealth:        {En: "Status", Ja: "状態"},
	TrayNoBrowser:     {En: "Dashboard: there is no browser here", Ja: "ダッシュボード：ブラウザーがありません"},
	TrayQuit:          {En: "Quit: no icon and no notifications (watching goes on)", Ja: "終了：アイコンと通知を出さない（監視は続きます）"},
	TrayTip:           {En: "Wormbell: %[1]s", Ja: "Wormbell：%[1]s"},

	TrayRefused:         {En: "This was not done", Ja: "実行されませんでした"},
	TrayRefusedHint:     {En: "Wormbell says: %[1]s. What to do: %[2]s.", Ja: "Wormbell の回答：%[1]s。対処方法：%[2]s。"},
	TrayFroze:           {En: "It is frozen", Ja: "一時停止しました"},
	TrayFrozeBody:       {En: "%[1]d processes were stopped and do nothing for now.", One: "One process was stopped and does nothing for now.", Ja: "%[1]d 個のプロセスを停止しました。いまは何もしません。"},
	TrayFrozeLeft:       {En: "%[1]d others could not be stopped: respond to the alert.", One: "One other could not be stopped: respond to the alert.", Ja: "停止できなかったプロセスが %[1]d 個あります。「対処する」に進んでください。"},
	TrayFrozeNone:       {En: "Nothing was frozen", Ja: "一時停止したプロセスはありません"},
	TrayFrozeNoneBody:   {En: "None of its processes runs any more: respond to the alert, as what it read may be stolen.", Ja: "関係するプロセスはすでに終了しています。読み取られたものは盗まれたおそれがあるため、「対処する」に進んでください。"},
	TrayFrozeFailed:     {En: "%[1]d processes could not be stopped: respond to the alert now.", One: "The process could not be stopped: respond to the alert now.", Ja: "%[1]d 個のプロセスを停止できませんでした。すぐに「対処する」に進んでください。"},
	TrayResumed:         {En: "It goes on again", Ja: "再開しました"},
	TrayResumedBody:     {En: "%[1]d processes go on again.", One: "The process goes on again.", Ja: "%[1]d 個のプロセスを再開しました。"},
	TrayResumedLeft:     {En: "%[1]d processes stay as they are. To try again, in a terminal: wormbell alert resume %[2]s", One: "One process stays as it is. To try again, in a terminal: wormbell alert resume %[2]s", Ja: "%[1]d 個のプロセスは再開できませんでした。ターミナルでやり直すには：wormbell alert resume %[2]s"},
	TrayResumeFailed:    {En: "Nothing could be let go on", Ja: "再開できたプロセスはありません"},
	TrayResumedNone:     {En: "Nothing was left to go on", Ja: "再開するプロセスはありません"},
	TrayResumedNoneBody: {En: "Its processes have ended.", Ja: "関係するプロセスはすでに終了しています。"},
	TrayNameTaken:       {En: "Another program poses as Wormbell's icon", Ja: "別のプログラムが Wormbell のアイコンを名乗っています"},
	TrayNameTakenBody:   {En: "Process %[1]s (%[2]s) holds the name org.wormbell.Tray in this session, and it is not this program or does not run. Wormbell goes on without the name. If you do not know that program, end it.", Ja: "プロセス %[1]s（%[2]s）が、このセッションで org.wormbell.Tray という名前を使っています。これは本プログラムではないか、停止させられています。Wormbell はその名前なしで動作を続けます。心当たりのないプログラムであれば、終了してください。"},
	TrayClosed:          {En: "The alert is closed", Ja: "警告を対応済みにしました"},
	TrayClosedBody:      {En: "'wormbell alert reopen %[1]s' opens it again.", Ja: "元に戻すには：wormbell alert reopen %[1]s"},
	TrayClosedFrozen:    {En: "Its processes stay frozen. To let them go on, in a terminal: wormbell alert resume %[1]s", Ja: "プロセスは一時停止したままです。再開するには、ターミナルで：wormbell alert resume %[1]s"},
	TrayCannotShow:      {En: "It cannot be shown here", Ja: "ここでは表示できません"},
	TrayInsteadRun:      {En: "Run this in a terminal: wormbell %[1]s. Why: %[2]s.", Ja: "ターミナルで実行してください：wormbell %[1]s。理由：%[2]s。"},
	TrayEnterToClose:    {En: "Press Enter to close this window.", Ja: "Enter キーで閉じます。"},
	TrayAlreadyThere:    {En: "wormbell-tray runs in this session already", Ja: "wormbell-tray はこのセッションですでに動いています"},
	TrayNoDesktop:       {En: "there is no desktop session here (%[1]s); 'wormbell alerts --follow' shows alerts in a terminal", Ja: "デスクトップセッションがありません（%[1]s）。ターミナルでは 'wormbell alerts --follow' で警告を表示できます"},
	TrayNotHere:         {En: "this wormbell-tray was built without an icon: %[1]s", Ja: "この wormbell-tray はアイコンなしでビルドされています：%[1]s"},
	TrayProgramFailed:   {En: "%[1]s ended: %[2]s", Ja: "%[1]s が終了しました：%[2]s"},

	TraySilent: {En: "The agent runs, but does not answer as it should", Ja: "エージェントは動いていますが、正しく応答しません"},
	TrayUnread: {En: "The agent does not hand out its alerts", Ja: "エージェントから警告を読み取れません"},
}

// Join puts sentences one after the other.
func (w *Words) Join(sentences ...string) string { return w.join(sentences) }

// Until says when something ends: the time of day, with its day if that is not
// today's as seen at now.
func (w *Words) Until(t, now time.Time) string {
	if days(t, now) == 0 {
		return t.In(now.Location()).Format("15:04")
	}
	return w.At(t, now)
}
