package words

// The sentences of the dashboard that its code says; the others stand in its
// pages by name.
const (
	DashAlerts        Key = "dash-alerts"
	DashCredentials   Key = "dash-credentials"
	DashTrust         Key = "dash-trust"
	DashPackages      Key = "dash-packages"
	DashStatus        Key = "dash-status"
	DashRefused       Key = "dash-refused"
	DashLocked        Key = "dash-locked"
	DashDidSome       Key = "dash-did-some"
	DashMissing       Key = "dash-missing"
	DashAway          Key = "dash-away"
	DashAwayText      Key = "dash-away-text"
	DashImpostor      Key = "dash-impostor"
	DashImpostorText  Key = "dash-impostor-text"
	DashBarred        Key = "dash-barred"
	DashBarredText    Key = "dash-barred-text"
	DashDidEndPause   Key = "dash-did-end-pause"
	DashBlind         Key = "dash-blind"
	DashCannotSeeWho  Key = "dash-cannot-see-who"
	DashSetDefault    Key = "dash-set-default" // values of settings, and where they are from
	DashSetOn         Key = "dash-set-on"      //
	DashSetOff        Key = "dash-set-off"     //
	DashSetAllowed    Key = "dash-set-allowed" //
	DashSetRefused    Key = "dash-set-refused" //
	DashSetNone       Key = "dash-set-none"    //
	DashTrouble       Key = "dash-trouble"
	DashOpenCount     Key = "dash-open-count"
	DashNoOpen        Key = "dash-no-open"
	DashAlertSummary  Key = "dash-alert-summary"
	DashPictureTitle  Key = "dash-picture-title"
	DashPictureDesc   Key = "dash-picture-desc"
	DashMore          Key = "dash-more"
	DashScriptOf      Key = "dash-script-of"
	DashTerminal      Key = "dash-terminal"
	DashVerbDenied    Key = "dash-verb-denied"
	DashVerbRead      Key = "dash-verb-read"
	DashVerbWrote     Key = "dash-verb-wrote"
	DashVerbRemoved   Key = "dash-verb-removed"
	DashVerbChanged   Key = "dash-verb-changed"
	DashVerbUnprivate Key = "dash-verb-unprivate"
	DashVerbInstalled Key = "dash-verb-installed"
	DashVerbRan       Key = "dash-verb-ran"
	DashVerbPublished Key = "dash-verb-published"
	DashVerbTyped     Key = "dash-verb-typed"
	DashVerbAsked     Key = "dash-verb-asked"
	DashVerbRefused   Key = "dash-verb-refused"
	DashVerbGot       Key = "dash-verb-got"
	DashVerbMissed    Key = "dash-verb-missed"
	DashVerbConnect   Key = "dash-verb-connect"
	DashVerbConnLocal Key = "dash-verb-connect-local"
	DashDidClose      Key = "dash-did-close"
	DashDidMute       Key = "dash-did-mute"
	DashDidReopen     Key = "dash-did-reopen"
	DashDidNote       Key = "dash-did-note"
	DashDidTrust      Key = "dash-did-trust"
	DashDidRemove     Key = "dash-did-remove"
	DashReasonMe      Key = "dash-reason-me"
	DashTrustLocked   Key = "dash-trust-locked" // file
	DashNothingChosen Key = "dash-nothing-chosen"
	DashChartCPU      Key = "dash-chart-cpu"
	DashChartMemory   Key = "dash-chart-memory"
	DashChartNow      Key = "dash-chart-now"
	DashChartLate     Key = "dash-chart-late"
	DashRespondTitle  Key = "dash-respond-title"
	DashOpenPage      Key = "dash-open-page"
	DashHintWaiting   Key = "dash-hint-waiting"
	DashHintKeychain  Key = "dash-hint-keychain"
	DashInterrupted   Key = "dash-interrupted"
	DashHintAgain     Key = "dash-hint-again"
	DashStale         Key = "dash-stale"
	DashBusy          Key = "dash-busy"
	DashAskSealed     Key = "dash-ask-sealed"
	DashAskPhrase     Key = "dash-ask-phrase"
	DashShortPhrase   Key = "dash-short-phrase"
	DashWrongPhrase   Key = "dash-wrong-phrase"
	DashDaysHours     Key = "dash-days-hours"
	DashHoursMinutes  Key = "dash-hours-minutes"
	DashMinutes       Key = "dash-minutes"
	DashNoKeys        Key = "dash-no-keys"
)

// dashboardTexts are the sentences of the dashboard.
var dashboardTexts = map[Key]text{
	// The frame.
	"dash-skip":             {En: "Skip to the content", Ja: "本文へ移動"},
	"dash-nav":              {En: "Pages", Ja: "ページ"},
	DashAlerts:              {En: "Alerts", Ja: "警告"},
	DashCredentials:         {En: "Credentials", Ja: "認証情報"},
	DashTrust:               {En: "Trust", Ja: "許可"},
	DashPackages:            {En: "Packages", Ja: "パッケージ"},
	DashStatus:              {En: "Status", Ja: "状態"},
	"dash-footer":           {En: "This page comes from Wormbell on this computer and from nowhere else. It ends an hour after you leave it.", Ja: "このページはこのコンピューターの Wormbell が表示しています。外部とは通信しません。閉じてから 1 時間で終了します。"},
	"dash-lost":             {En: "This page hears nothing new: the dashboard has ended. Run “wormbell dashboard” to open a new one.", Ja: "このページは更新されません。ダッシュボードが終了しました。もう一度開くには「wormbell dashboard」を実行してください。"},
	"dash-refused-by-agent": {En: "It was not done.", Ja: "実行されませんでした。"},
	"dash-more":             {En: "… and %[1]d more", Ja: "…ほか %[1]d 件"},
	"dash-back":             {En: "Back to the alert", Ja: "警告に戻る"},
	"dash-yes":              {En: "yes", Ja: "はい"},
	"dash-no":               {En: "no", Ja: "いいえ"},
	"dash-unknown":          {En: "not known", Ja: "不明"},
	"dash-never":            {En: "not since Wormbell watches it", Ja: "監視を始めてからなし"},

	// Getting in, and errors.
	DashRefused:         {En: "Refused. Run “wormbell dashboard” and open the link that it gives you.", Ja: "拒否しました。「wormbell dashboard」を実行し、表示されたリンクを開いてください。"},
	DashLocked:          {En: "Open the dashboard from your terminal", Ja: "ターミナルからダッシュボードを開いてください"},
	"dash-locked-text":  {En: "The link to the dashboard works once, within a minute. This browser may then use the dashboard until you close it, for twelve hours at most. To open it again, run:", Ja: "ダッシュボードへのリンクは 1 分以内に 1 回だけ使えます。その後はこのブラウザーを閉じるまで、最長 12 時間有効です。もう一度開くには、次のコマンドを実行してください。"},
	"dash-stale-title":  {En: "That form was too old", Ja: "そのフォームは古くなっています"},
	"dash-stale-text":   {En: "Nothing was done. Go back to the page and try it again from there.", Ja: "何も実行していません。ページに戻って、もう一度やり直してください。"},
	DashMissing:         {En: "There is nothing here", Ja: "ここには何もありません"},
	"dash-missing-text": {En: "There is no such page, or no such alert of yours.", Ja: "このページ、またはあなたの警告は存在しません。"},
	DashAway:            {En: "Wormbell is not watching", Ja: "Wormbell は監視していません"},
	DashAwayText:        {En: "It does not run, or does not answer, so nothing is seen. This command says why, and how to start it:", Ja: "動いていないか応答しないため、何も検知できません。原因と起動方法は次のコマンドで確認できます。"},
	"dash-away-auto":    {En: "This page notices when it is back.", Ja: "起動すると、このページは自動で更新されます。"},
	"dash-away-details": {En: "Details", Ja: "詳細"},
	DashImpostor:        {En: "Another program poses as the Wormbell agent", Ja: "別のプログラムが Wormbell のエージェントになりすましています"},
	DashImpostorText:    {En: "Believe nothing that it shows: this page asks it nothing, and shows nothing of it. It may also mean that nothing watches this computer. This command says who it is, and what to do:", Ja: "そのプログラムが示すものは信用しないでください。このページは何も問い合わせず、何も表示しません。このコンピューターが監視されていないおそれもあります。なりすましているプログラムと対処方法は次のコマンドで確認できます。"},
	DashBarred:          {En: "This user may not speak to Wormbell", Ja: "このユーザーは Wormbell に接続できません"},
	DashBarredText:      {En: "Wormbell may be running, but its socket is closed to you, so nothing can be shown here. Did another user start it? Then stop it there, and start it for the whole computer: “sudo wormbell install” does that, or, where it is installed, “sudo systemctl start wormbelld”. This command says more:", Ja: "Wormbell は動いているかもしれませんが、ソケットを開けないため、ここには何も表示できません。別のユーザーが起動した場合は、そのユーザーで停止し、コンピューター全体のものとして起動してください（「sudo wormbell install」、インストール済みなら「sudo systemctl start wormbelld」）。詳しくは次のコマンドで確認できます。"},
	"dash-pause":        {En: "Notifications are paused until %[1]s. Alerts still appear here.", Ja: "通知を停止しています（%[1]s まで）。警告はここに表示されます。"},
	"dash-pause-all":    {En: "An administrator has paused notifications for everybody until %[1]s. Alerts still appear here.", Ja: "管理者が全員の通知を停止しています（%[1]s まで）。警告はここに表示されます。"},
	"dash-pause-end":    {En: "End the pause", Ja: "停止を終える"},
	DashDidEndPause:     {En: "The pause has ended. Notifications come again.", Ja: "通知の停止を終えました。通知を再開します。"},
	"dash-new-one":      {En: "1 new alert: show", Ja: "新しい警告 1 件を表示"},
	"dash-new-many":     {En: "%[1]s new alerts: show", Ja: "新しい警告 %[1]s 件を表示"},
	"dash-new-order":    {En: "This page has changed: show", Ja: "変更された内容を表示"},
	DashTrouble:         {En: "That did not work", Ja: "うまくいきませんでした"},

	// Alerts.
	DashOpenCount:        {En: "%[1]d open alerts", One: "One open alert", Ja: "未対応の警告が %[1]d 件あります"},
	DashNoOpen:           {En: "No open alerts", Ja: "未対応の警告はありません"},
	"dash-filter":        {En: "Which alerts", Ja: "表示する警告"},
	"dash-f-state":       {En: "Show", Ja: "表示"},
	"dash-f-open":        {En: "open", Ja: "未対応のみ"},
	"dash-f-all":         {En: "all", Ja: "すべて"},
	"dash-f-severity":    {En: "Severity", Ja: "重大度"},
	"dash-f-any":         {En: "any", Ja: "すべて"},
	"dash-f-medium":      {En: "medium and above", Ja: "中以上"},
	"dash-f-high":        {En: "high and above", Ja: "高以上"},
	"dash-f-critical":    {En: "critical", Ja: "重大のみ"},
	"dash-f-show":        {En: "Show", Ja: "表示する"},
	"dash-severity-none": {En: "none", Ja: "なし"}, "dash-severity-low": {En: "Low", Ja: "低"}, "dash-severity-medium": {En: "Medium", Ja: "中"},
	"dash-severity-high": {En: "High", Ja: "高"}, "dash-severity-critical": {En: "Critical", Ja: "重大"},
	"dash-state-open": {En: "open", Ja: "未対応"}, "dash-state-muted": {En: "hidden", Ja: "非表示"}, "dash-state-closed": {En: "closed", Ja: "対応済み"},
	"dash-demo":           {En: "demonstration", Ja: "デモ"},
	"dash-findings":       {En: "%[1]d findings", One: "1 finding", Ja: "検知 %[1]d 件"},
	"dash-pages":          {En: "Pages of the list", Ja: "一覧のページ"},
	"dash-newer":          {En: "Newer", Ja: "新しいもの"},
	"dash-older":          {En: "Older", Ja: "古いもの"},
	"dash-page-of":        {En: "Page %[1]d of %[2]d", Ja: "%[2]d ページ中 %[1]d ページ目"},
	"dash-capped":         {En: "Wormbell lists its newest %[1]d alerts; there may be older ones.", Ja: "Wormbell は新しい順に %[1]d 件まで表示します。これより古い警告もあるかもしれません。"},
	"dash-none-fit":       {En: "No alert is like that.", Ja: "条件に合う警告はありません。"},
	"dash-show-all":       {En: "Show all", Ja: "すべて表示"},
	"dash-quiet-less":     {En: "No open alerts, but not everything is seen", Ja: "未対応の警告はありませんが、一部は監視できていません"},
	"dash-quiet-never":    {En: "Wormbell has recorded no alert here yet.", Ja: "これまでに記録された警告はありません。"},
	"dash-quiet-past":     {En: "%[1]d closed or hidden alerts: show all", One: "1 closed or hidden alert: show it", Ja: "対応済み・非表示の警告 %[1]d 件を表示"},
	"dash-quiet-more":     {En: "%[1]d or more closed or hidden alerts: show the newest", Ja: "対応済み・非表示の警告 %[1]d 件以上（新しいものを表示）"},
	"dash-quiet-problem":  {En: "No open alerts, but Wormbell has a problem", Ja: "未対応の警告はありませんが、Wormbell に問題があります"},
	"dash-quiet-since":    {En: "Watching since %[1]s.", Ja: "%[1]s から監視しています。"},
	"dash-quiet-blind":    {En: "On this computer Wormbell cannot fully see:", Ja: "このコンピューターでは、次の監視が不完全です。"},
	"dash-list-blind":     {En: "Not everything is seen on this computer, so there may be more.", Ja: "このコンピューターでは一部が監視できていないため、ほかにもあるかもしれません。"},
	"dash-quiet-why":      {En: "Why, and what to do", Ja: "理由と対処方法"},
	"dash-quiet-demo":     {En: "shows what an alert looks like, without any danger.", Ja: "を実行すると、安全なデモで警告を確認できます。"},
	"dash-agent-problems": {En: "Wormbell has a problem:", Ja: "Wormbell に問題があります。"},

	// One alert.
	DashAlertSummary:       {En: "%[1]s, %[2]s", Ja: "%[1]s、%[2]sの警告"},
	"dash-next":            {En: "What to do:", Ja: "対処方法："},
	"dash-actions":         {En: "What you can do", Ja: "できること"},
	"dash-respond":         {En: "Respond…", Ja: "対処する…"},
	"dash-over":            {En: "There is nothing to freeze: its processes have ended.", Ja: "一時停止するものはありません：プロセスはすでに終了しています。"},
	"dash-freeze":          {En: "Freeze it", Ja: "一時停止する"},
	"dash-it-was-me":       {En: "It was me…", Ja: "自分の操作です…"},
	"dash-close":           {En: "Close…", Ja: "対応済みにする…"},
	"dash-close-note":      {En: "It is dealt with. What happens next begins a new alert.", Ja: "対応済みにします。次に何か起きると、新しい警告になります。"},
	"dash-close-do":        {En: "Close the alert", Ja: "警告を対応済みにする"},
	"dash-mute":            {En: "Hide…", Ja: "非表示にする…"},
	"dash-mute-note":       {En: "It goes on being recorded, but you will not hear of it again.", Ja: "記録は続けますが、通知はしません。"},
	"dash-mute-do":         {En: "Hide the alert", Ja: "警告を非表示にする"},
	"dash-reopen":          {En: "Open again", Ja: "未対応に戻す"},
	"dash-kill":            {En: "End the processes…", Ja: "プロセスを終了する…"},
	"dash-kill-note":       {En: "Ends every process of this alert and all that they started. Respond is safer: it first looks for what a worm left to wait for its token to die.", Ja: "この警告のすべてのプロセスと、そこから起動されたものを終了します。トークンの失効を待ち構える仕掛けを先に調べる「対処する」のほうが安全です。"},
	"dash-kill-do":         {En: "End them", Ja: "終了する"},
	"dash-note":            {En: "Note…", Ja: "メモ…"},
	"dash-note-note":       {En: "Kept with the alert. Put no password and no token in it.", Ja: "警告と一緒に保存します。パスワードやトークンは書かないでください。"},
	"dash-note-text":       {En: "Note", Ja: "メモ"},
	"dash-note-do":         {En: "Keep the note", Ja: "メモを保存する"},
	"dash-reason":          {En: "Reason", Ja: "理由"},
	DashDidClose:           {En: "The alert is closed.", Ja: "警告を対応済みにしました。"},
	DashDidMute:            {En: "The alert is hidden.", Ja: "警告を非表示にしました。"},
	DashDidReopen:          {En: "The alert is open again.", Ja: "警告を未対応に戻しました。"},
	DashDidNote:            {En: "The note is kept.", Ja: "メモを保存しました。"},
	"dash-h-who":           {En: "Who did it", Ja: "誰がしたか"},
	"dash-h-exposed":       {En: "What was exposed", Ja: "漏れた可能性のあるもの"},
	"dash-h-evidence":      {En: "Evidence", Ja: "証拠"},
	"dash-h-done":          {En: "Done so far", Ja: "これまでの対処"},
	"dash-h-report":        {En: "Report", Ja: "報告書"},
	"dash-h-text":          {En: "As a text to send", Ja: "送付用のテキスト"},
	"dash-report-note":     {En: "All of this in a file, to keep or to send. It has no secrets in it, but names of files, packages and of this computer.", Ja: "この内容を保存・送付できるファイルにします。秘密情報は含みませんが、ファイル名、パッケージ名、このコンピューターの名前は含まれます。"},
	"dash-report-html":     {En: "Download as a page (HTML)", Ja: "ページとして保存（HTML）"},
	"dash-report-json":     {En: "Download as data (JSON)", Ja: "データとして保存（JSON）"},
	"dash-report-host":     {En: "Computer %[1]s", Ja: "コンピューター %[1]s"},
	"dash-report-made":     {En: "Written %[1]s", Ja: "作成 %[1]s"},
	"dash-as-list":         {En: "The same as a list", Ja: "同じ内容をリストで見る"},
	"dash-no-process":      {En: "Which process it was is not known.", Ja: "どのプロセスによるものかは分かっていません。"},
	DashPictureTitle:       {En: "Processes, from where it began down to who did it", Ja: "始まりから実行者までのプロセス"},
	DashPictureDesc:        {En: "Each box is a process, below the one that started it, with what it did. The list after the picture says the same.", Ja: "各枠はプロセスで、起動元の下に並び、何をしたかを示します。図の後のリストも同じ内容です。"},
	DashScriptOf:           {En: "%[1]s script of %[2]s", Ja: "%[2]s の %[1]s スクリプト"},
	DashTerminal:           {En: "terminal %[1]s", Ja: "ターミナル %[1]s"},
	DashVerbDenied:         {En: "was denied", Ja: "読み取り拒否"},
	DashVerbRead:           {En: "read", Ja: "読み取り"},
	DashVerbWrote:          {En: "wrote", Ja: "書き込み"},
	DashVerbRemoved:        {En: "removed", Ja: "削除"},
	DashVerbChanged:        {En: "changed", Ja: "変更"},
	DashVerbUnprivate:      {En: `removed "private" from`, Ja: "「private」を削除"},
	DashVerbInstalled:      {En: "installed", Ja: "インストール"},
	DashVerbRan:            {En: "ran", Ja: "実行"},
	DashVerbPublished:      {En: "tried to publish", Ja: "公開を試行"},
	DashVerbTyped:          {En: "typed", Ja: "入力"},
	DashVerbAsked:          {En: "asked Wormbell to", Ja: "Wormbell への要求"},
	DashVerbRefused:        {En: "asked Wormbell in vain to", Ja: "Wormbell への要求（拒否）"},
	DashVerbGot:            {En: "had Wormbell do this:", Ja: "Wormbell への要求（受け付け）"},
	DashVerbMissed:         {En: "events were lost here:", Ja: "ここで失われたイベント："},
	DashVerbConnect:        {En: "connected to", Ja: "接続先"},
	DashVerbConnLocal:      {En: "connected to this machine:", Ja: "接続先（このコンピューター自身）"},
	"dash-nothing-exposed": {En: "Nothing is known to have been read, taken or published.", Ja: "読み取り、持ち出し、公開は確認されていません。"},
	"dash-x-files":         {En: "Files that were read", Ja: "読み取られたファイル"},
	"dash-x-variables":     {En: "Variables within reach", Ja: "読み取られた可能性のある環境変数"},
	"dash-x-exported":      {En: "Set for every program", Ja: "すべてのプログラムに設定"},
	"dash-x-published":     {En: "Packages that it tried to publish", Ja: "公開しようとしたパッケージ"},
	"dash-x-changed":       {En: "Files that it changed", Ja: "変更されたファイル"},
	"dash-by":              {En: "by %[1]s", Ja: "%[1]s による"},
	"dash-environment":     {En: "in the environment of %[1]s", Ja: "%[1]s の環境"},
	"dash-partial":         {En: "There was more of it than the alert keeps.", Ja: "警告に残しきれないほど多くありました。"},
	"dash-take-back":       {En: "Take back what may have been published", Ja: "公開された可能性のあるものを取り消す"},
	"dash-take-back-note":  {En: "If they were published, run these on a computer that is clean:", Ja: "公開されていた場合は、安全なコンピューターで次を実行してください。"},
	"dash-c-time":          {En: "Time", Ja: "時刻"},
	"dash-c-what":          {En: "What happened", Ja: "起きたこと"},
	"dash-c-who":           {En: "Who", Ja: "実行者"},
	"dash-c-rule":          {En: "Rule", Ja: "ルール"},
	"dash-no-evidence":     {En: "There is none.", Ja: "ありません。"},
	"dash-nothing-done":    {En: "Nothing yet.", Ja: "まだ何もしていません。"},

	// It was me.
	"dash-was-title":     {En: "Was this you?", Ja: "これはあなたの操作ですか？"},
	"dash-was-note":      {En: "If you did this yourself and want to do it again, Wormbell can stay quiet about exactly this. If you are not sure, it was not you.", Ja: "自分で行い、今後も行う操作なら、まったく同じ操作については警告を出さないようにできます。確信がなければ「自分ではない」を選んでください。"},
	"dash-was-days":      {En: "For how long", Ja: "期間"},
	"dash-was-legend":    {En: "From now on this will be allowed:", Ja: "今後、次を許可します。"},
	"dash-was-do":        {En: "It was me: allow this and close the alert", Ja: "自分の操作です：許可して対応済みにする"},
	"dash-was-not":       {En: "It was not me", Ja: "自分ではない"},
	"dash-was-none":      {En: "This cannot be allowed for the future. If it was you all the same, close the alert.", Ja: "今後の許可はできません。ご自身の操作であれば、警告を対応済みにしてください。"},
	DashTrustLocked:      {En: "What may be read is locked by your administrator: %[1]s.", Ja: "読み取りの許可の追加は、管理者によってロックされています（%[1]s）。"},
	DashNothingChosen:    {En: "Nothing was chosen, so nothing was changed.", Ja: "何も選ばれていないため、変更していません。"},
	DashReasonMe:         {En: "it was me", Ja: "自分の操作"},
	DashDidTrust:         {En: "%[1]d things are allowed from now on, and the alert is closed. You can take them back on the page Trust.", One: "This is allowed from now on, and the alert is closed. You can take it back on the page Trust.", Ja: "%[1]d 件を許可し、警告を対応済みにしました。「許可」ページで取り消せます。"},
	"dash-t-who":         {En: "Who", Ja: "誰が"},
	"dash-t-store":       {En: "May read", Ja: "読み取れるもの"},
	"dash-t-path":        {En: "Only the file", Ja: "対象ファイル"},
	"dash-t-under":       {En: "When", Ja: "条件"},
	"dash-t-until":       {En: "Until", Ja: "期限"},
	"dash-until-removed": {En: "you take it back", Ja: "取り消すまで"},

	// Credentials.
	"dash-c-lead": {En: "The files in which secrets lie, and who read them lately. Wormbell never reads what is in them.", Ja: "秘密情報が入ったファイルと、最近読んだプログラムです。Wormbell が中身を読むことはありません。"},
	"dash-c-file": {En: "File", Ja: "ファイル"}, "dash-c-kind": {En: "What is in it", Ja: "内容"}, "dash-c-readers": {En: "Who read it lately", Ja: "最近読んだプログラム"}, "dash-c-alert": {En: "alert %[1]s", Ja: "警告 %[1]s"}, "dash-unknown-reader": {En: "By whom is not known", Ja: "読んだプログラムは不明"},
	"dash-c-none": {En: "No files are guarded.", Ja: "監視しているファイルはありません。"},
	"dash-g-not":  {En: "Should be guarded, and cannot be", Ja: "監視すべきなのに監視できないもの"}, "dash-gn-not": {En: "Who reads these is not seen.", Ja: "誰が読んでも検知できません。"},
	"dash-g-on": {En: "Guarded", Ja: "監視中"}, "dash-gn-on": {En: "Whoever opens one of these is seen.", Ja: "開いたプログラムはすべて検知します。"},
	"dash-g-absent": {En: "Not there yet", Ja: "まだ存在しないもの"}, "dash-gn-absent": {En: "Guarded as soon as they appear.", Ja: "作成されるとすぐに監視を始めます。"},
	"dash-g-off": {En: "Switched off", Ja: "監視しない設定のもの"}, "dash-gn-off": {En: "Their kind is off in Wormbell's settings.", Ja: "Wormbell の設定で無効になっています。"},
	"dash-show-files": {En: "Show the files", Ja: "ファイルを表示"},

	// Trust.
	"dash-t-lead": {En: "Who may read which credentials without an alert. Below a package's install script none of this counts.", Ja: "警告なしに認証情報を読めるプログラムです。パッケージのインストールスクリプトの下では、どれも無効です。"},
	"dash-t-mine": {En: "Your answers", Ja: "あなたの回答"}, "dash-t-none": {En: "None yet. They come from answering “It was me…” to an alert.", Ja: "まだありません。警告に「自分の操作です」と答えると追加されます。"},
	"dash-t-admin":  {En: "Added by the administrator.", Ja: "管理者が追加しました。"},
	"dash-t-file":   {En: "Added by the administrator, in %[1]s.", Ja: "管理者が %[1]s で追加しました。"},
	"dash-t-remove": {En: "Take it back", Ja: "取り消す"}, "dash-t-remove-label": {En: "Take it back: %[1]s", Ja: "取り消す：%[1]s"},
	DashDidRemove:  {En: "It is no longer allowed.", Ja: "許可を取り消しました。"},
	"dash-t-first": {En: "Your own tools, found when Wormbell first started", Ja: "初回起動時に見つけたツール"}, "dash-t-first-note": {En: "Tools in your home folder, such as Node from nvm. A tool is no longer allowed once something other than its updater changes it.", Ja: "nvm の Node など、ホームフォルダーにあるツールです。更新プログラム以外がツールを変更すると、許可は無効になります。"},
	"dash-t-builtin": {En: "Built in", Ja: "組み込み"}, "dash-t-builtin-note": {En: "Programs that read their own files.", Ja: "自分自身のファイルを読むプログラムです。"},
	"dash-t-show": {En: "Show them", Ja: "一覧を表示"}, "dash-t-empty": {En: "None.", Ja: "ありません。"},

	// Packages.
	"dash-p-lead":    {En: "Packages that alerts name. Wormbell keeps no list of all that is installed.", Ja: "警告に出てきたパッケージです。Wormbell は、インストールされたすべてのパッケージの一覧は持っていません。"},
	"dash-p-named":   {En: "Named by alerts", Ja: "警告に出てきたもの"},
	"dash-p-package": {En: "Package", Ja: "パッケージ"}, "dash-p-role": {En: "Its part", Ja: "役割"},
	"dash-p-script": {En: "its %[1]s script did it", Ja: "%[1]s スクリプトが実行した"}, "dash-p-object": {En: "installed, changed or published", Ja: "インストール・変更・公開された"},
	"dash-p-none":    {En: "No alert names a package.", Ja: "パッケージが関わる警告はありません。"},
	"dash-p-arrived": {En: "Arriving now", Ja: "新しく現れたパッケージ"}, "dash-p-arrived-note": {En: "Packages that appear in a node_modules folder while this page is open.", Ja: "このページを開いている間に node_modules に現れたパッケージです。"},
	"dash-p-where": {En: "Where", Ja: "場所"}, "dash-p-nothing-yet": {En: "None since %[1]s.", Ja: "%[1]s からはありません。"},

	// Status.
	"dash-st-well": {En: "Wormbell is running and sees all it should.", Ja: "Wormbell は正常に動作し、すべてを監視しています。"}, "dash-st-less": {En: "Wormbell is running, but sees less than it should.", Ja: "Wormbell は動作していますが、一部を監視できていません。"},
	"dash-st-doctor": {En: "says why, and what to do about it.", Ja: "を実行すると、理由と対処方法が分かります。"},
	"dash-st-agent":  {En: "Wormbell", Ja: "Wormbell"}, "dash-st-running": {En: "Running for", Ja: "稼働時間"}, "dash-st-alerts": {En: "Open alerts", Ja: "未対応の警告"}, "dash-st-events": {En: "Events", Ja: "イベント"}, "dash-st-lost": {En: "Lost", Ja: "損失"},
	"dash-st-cpu": {En: "CPU, average", Ja: "平均 CPU"}, "dash-st-memory": {En: "Memory", Ja: "メモリ"}, "dash-st-lost-note": {En: "What was lost was not seen. Wormbell looked at everything again afterwards.", Ja: "失われたイベントは検知できていません。Wormbell はその後、すべてを調べ直しました。"},
	"dash-st-version": {En: "Version", Ja: "バージョン"}, "dash-st-as": {En: "Runs as", Ja: "実行ユーザー"}, "dash-st-root": {En: "root: it sees who does what", Ja: "root：実行者まで分かります"}, "dash-st-user": {En: "you: it cannot see who reads a file. As root it can.", Ja: "あなた：誰がファイルを読んだかは分かりません。root で動かすと分かります。"},
	"dash-st-why": {En: "Why:", Ja: "理由："}, "dash-st-protect": {En: "Protection", Ja: "保護"}, "dash-st-protect-on": {En: "On: install scripts and sweeps are stopped before they read credentials. What else rings is not denied.", Ja: "オン：インストールスクリプトや一斉収集は、認証情報を読み取る前に停止します。それ以外は警告のみです。"}, "dash-st-protect-off": {En: "Off: reads ring, and are not denied.", Ja: "オフ：警告を出しますが、拒否はしません。"}, "dash-st-protect-cannot": {En: "Not possible here: reads ring, and are not denied.", Ja: "ここでは使えません。警告を出しますが、拒否はしません。"},
	"dash-st-homes": {En: "Homes", Ja: "ホームフォルダー"}, "dash-st-load": {En: "What it costs", Ja: "負荷"}, "dash-st-load-note": {En: "Wormbell’s own use over the last day, measured every ten minutes; a gap is a time when it was not running.", Ja: "直近 1 日に Wormbell 自身が使った量です。10 分ごとに測定します。途切れている部分は動いていなかった時間です。"}, "dash-st-no-load": {En: "Nothing has been measured yet; look again in a few seconds.", Ja: "まだ測定していません。数秒後にもう一度確認してください。"},
	"dash-chart-edge": {En: "now", Ja: "現在"}, DashChartLate: {En: "lately %[1]s, on average %[2]s, at most %[3]s", Ja: "直近 %[1]s、平均 %[2]s、最大 %[3]s"},
	"dash-st-losses": {En: "Events lost in the last day", Ja: "直近 1 日に失われたイベント"}, "dash-st-no-losses": {En: "No event was lost in the last day.", Ja: "直近 1 日に失われたイベントはありません。"}, "dash-st-loss": {En: "%[1]d between %[2]s and %[3]s", Ja: "%[2]s から %[3]s までに %[1]d 件"},
	DashChartCPU: {En: "CPU, of one core", Ja: "CPU（1 コアに対する割合）"}, DashChartMemory: {En: "Memory", Ja: "メモリ"}, DashChartNow: {En: "now %[1]s, at most %[2]s", Ja: "現在 %[1]s、最大 %[2]s"},
	"dash-st-sensors": {En: "Sensors", Ja: "センサー"}, "dash-st-sensor": {En: "Sensor", Ja: "センサー"}, "dash-st-backend": {En: "By", Ja: "方式"}, "dash-st-who": {En: "Sees who", Ja: "実行者が分かるか"}, "dash-st-down": {En: "down", Ja: "停止"}, "dash-st-restarts": {En: "restarted %[1]d times", One: "restarted once", Ja: "再起動 %[1]d 回"},
	"dash-st-detectors": {En: "Detectors", Ja: "検知ルール"}, "dash-st-detector": {En: "Looks for", Ja: "検知するもの"}, "dash-st-sees": {En: "How well", Ja: "監視状況"},
	"dash-st-settings": {En: "Settings", Ja: "設定"}, "dash-st-setting": {En: "Setting", Ja: "項目"}, "dash-st-value": {En: "Value", Ja: "値"}, "dash-st-from": {En: "From", Ja: "設定元"}, "dash-st-locked": {En: "Locked", Ja: "ロック"}, "dash-st-locked-by": {En: "by your administrator", Ja: "管理者によるロック"},
	"dash-st-notices": {En: "Good to know", Ja: "確認事項"}, DashSetDefault: {En: "default", Ja: "既定値"}, DashSetOn: {En: "on", Ja: "オン"}, DashSetOff: {En: "off", Ja: "オフ"}, DashSetAllowed: {En: "allowed", Ja: "許可"}, DashSetRefused: {En: "refused", Ja: "拒否"}, DashSetNone: {En: "none", Ja: "なし"},
	"dash-sees": {En: "sees", Ja: "監視中"}, DashBlind: {En: "blind", Ja: "監視できない"}, DashCannotSeeWho: {En: "cannot see who", Ja: "実行者が分からない"},

	DashDaysHours: {En: "%[1]d d %[2]d h", Ja: "%[1]d 日 %[2]d 時間"}, DashHoursMinutes: {En: "%[1]d h %[2]d min", Ja: "%[1]d 時間 %[2]d 分"}, DashMinutes: {En: "%[1]d min", Ja: "%[1]d 分"},

	// Responding.
	DashRespondTitle: {En: "Respond: %[1]s", Ja: "対処：%[1]s"},
	"dash-r-title":   {En: "Respond", Ja: "対処する"},
	"dash-r-steps":   {En: "Steps", Ja: "手順"}, "dash-r-s1": {En: "Plan", Ja: "計画"}, "dash-r-s2": {En: "Carry out", Ja: "実行"}, "dash-r-s3": {En: "Result", Ja: "結果"},
	"dash-r-plan": {En: "The plan", Ja: "計画"}, "dash-r-preparing": {En: "Looking at what was exposed, and for what may lie in wait. Nothing is touched.", Ja: "漏れた可能性のあるものと、待ち構えている仕掛けを調べています。まだ何も変更しません。"},
	"dash-r-plan-note": {En: "Nothing has been done yet. This is what will be done, in this order, when you say so.", Ja: "まだ何も実行していません。開始すると、次の順序で実行します。"},
	"dash-r-problems":  {En: "Not everything could be looked at:", Ja: "調べられなかったものがあります。"},
	"dash-r-options":   {En: "Other ways", Ja: "ほかの方法"},
	"dash-r-contain":   {En: "Contain now: revoke first, and make a new token afterwards", Ja: "今すぐ封じ込める：先に失効させ、その後に新しいトークンを作る"}, "dash-r-contain-note": {En: "The old token dies at once. For a while, perhaps for good, you have none: what uses it stops working.", Ja: "古いトークンはすぐに使えなくなります。しばらく、場合によってはずっと、使えるトークンがなくなり、それを使うものは止まります。"},
	"dash-r-force": {En: "Force: revoke although something may be waiting for that", Ja: "強制：失効を待ち構える仕掛けが残っていても失効させる"}, "dash-r-force-note": {En: "Some worms wipe the home folder when their token dies. Use this only if you have looked at what was found and know that it is harmless.", Ja: "トークンが失効するとホームフォルダーを消すワームがあります。見つかったものを確認し、無害だと分かっている場合だけ使ってください。"},
	"dash-r-replan": {En: "Make the plan like this", Ja: "この方法で計画を作り直す"}, "dash-r-start": {En: "Start", Ja: "開始する"}, "dash-r-leave": {En: "Not now", Ja: "今はしない"},
	"dash-r-running": {En: "Under way", Ja: "実行中"}, "dash-r-running-note": {En: "You can leave this page and come back. It goes on.", Ja: "このページを離れても実行は続きます。いつでも戻れます。"}, "dash-r-said": {En: "What was done", Ja: "実行した内容"}, "dash-r-stop": {En: "Interrupt", Ja: "中断する"},
	"dash-r-question": {En: "You are asked", Ja: "確認してください"}, "dash-r-yes": {En: "Yes", Ja: "はい"}, "dash-r-no": {En: "No", Ja: "いいえ"}, "dash-r-send": {En: "Send", Ja: "送信"}, "dash-r-secret-note": {En: "It goes to Wormbell on this computer, which does not keep it.", Ja: "このコンピューターの Wormbell だけに送られ、保存されません。"},
	"dash-r-result": {En: "Result", Ja: "結果"}, "dash-r-closed": {En: "All is done; the alert is closed.", Ja: "すべて完了し、警告を対応済みにしました。"}, "dash-r-complete": {En: "All is done. The alert is still open: look at it once more and close it.", Ja: "すべて完了しました。警告はまだ未対応です。確認して対応済みにしてください。"}, "dash-r-quiet": {En: "%[1]d more: what to know, and what could not be looked at", One: "One more, to know", Ja: "ほか %[1]d 件（参考情報と、調べられなかったもの）"}, "dash-r-left-note": {En: "Something is left to do.", Ja: "まだやることが残っています。"},
	"dash-r-went-wrong": {En: "What went wrong", Ja: "うまくいかなかったこと"}, "dash-r-left": {En: "What is left to do", Ja: "残っていること"}, "dash-r-again": {En: "Plan again", Ja: "もう一度計画する"}, "dash-r-reload": {En: "Look again", Ja: "再読み込み"}, "dash-r-look": {En: "Look at it", Ja: "見る"},
	"dash-r-foreign": {En: "This alert is another user’s (uid %[1]s). Only they can respond: the tokens are theirs.", Ja: "この警告は別のユーザー（uid %[1]s）のものです。トークンの持ち主だけが対処できます。"}, "dash-r-impossible": {En: "This program cannot respond to alerts.", Ja: "このプログラムは警告に対処できません。"},
	"dash-stage-none": {En: "Nothing is under way.", Ja: "実行中のものはありません。"}, "dash-stage-preparing": {En: "The plan is being made.", Ja: "計画を作っています。"}, "dash-stage-planned": {En: "The plan is ready.", Ja: "計画ができました。"}, "dash-stage-running": {En: "The response is under way.", Ja: "対処を実行中です。"}, "dash-stage-done": {En: "The response has ended.", Ja: "対処が終わりました。"},
	DashOpenPage:      {En: "Open this page and do what it says:", Ja: "次のページを開き、指示に従ってください："},
	DashHintWaiting:   {En: "Look at what was found. When it is gone, plan again; “Other ways” has a way to revoke all the same.", Ja: "見つかったものを確認してください。なくなったら計画し直します。「ほかの方法」でそのまま失効させることもできます。"},
	DashHintKeychain:  {En: "New tokens need a safe place until they stand in their file: a keychain, or a file sealed with a passphrase.", Ja: "新しいトークンは、ファイルに書き込むまで安全な場所が必要です。キーチェーンか、パスフレーズで封をしたファイルを使います。"},
	DashInterrupted:   {En: "Interrupted; nothing is lost", Ja: "中断しました。失われたものはありません"},
	DashHintAgain:     {En: "Planning again goes on with it.", Ja: "もう一度計画すると続きから始められます。"},
	DashStale:         {En: "The page was older than what it showed. Look at it again.", Ja: "ページの内容が古くなっていました。もう一度確認してください。"},
	DashBusy:          {En: "Another response is under way. One at a time.", Ja: "別の対処を実行中です。一度に 1 つだけ実行できます。"},
	DashAskSealed:     {En: "There is no keychain. Keep new tokens in a file sealed with a passphrase until they are in place?", Ja: "キーチェーンがありません。新しいトークンを、書き込むまでパスフレーズで封をしたファイルに保管しますか？"},
	DashAskPhrase:     {En: "Passphrase for the sealed file, at least %[1]d characters", Ja: "封をするパスフレーズ（%[1]d 文字以上）"},
	DashShortPhrase:   {En: "It needs %[1]d characters at least.", Ja: "%[1]d 文字以上が必要です。"},
	DashWrongPhrase:   {En: "That is not the passphrase that the file was sealed with.", Ja: "ファイルのパスフレーズと違います。"},
	DashNoKeys:        {En: "nothing was done: there is nowhere to keep new tokens safe until they are in place", Ja: "何も実行していません。新しいトークンを安全に保管する場所がありません"},
	"dash-twice":      {En: "This link was used by two browsers", Ja: "このリンクは 2 つのブラウザーで使われました"},
	"dash-twice-cli":  {En: "To respond to an alert without a browser, with the alert's ID:", Ja: "ブラウザーを使わずに警告に対処するには、警告の ID を付けて次のコマンドを実行してください。"},
	"dash-twice-text": {En: "One of the two may be a program that stole it, so both are locked out now. Look at what was done lately with “wormbell calls”. Open the dashboard again from your terminal:", Ja: "どちらかはリンクを盗んだプログラムかもしれないため、両方を締め出しました。最近の操作は「wormbell calls」で確認してください。ターミナルからもう一度開けます。"},
	DashDidSome:       {En: "Allowed: %[1]d. The alert stays open: for the rest it was not you.", Ja: "%[1]d 件を許可しました。残りはあなたの操作ではないため、警告は未対応のままです。"},
	"dash-r-other":    {En: "There is a plan for another alert. It is forgotten when you make one for this alert.", Ja: "別の警告の計画があります。この警告の計画を作ると、それは破棄されます。"},
	"dash-r-make":     {En: "Make the plan", Ja: "計画を作る"},
}
