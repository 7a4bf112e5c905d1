package words

// The sentences about alerts. What %[1]s and the rest are is said in deeds.go
// and alert.go, where they are used.
const (
	whatDid           Key = "alert-did"
	whatAlso          Key = "alert-also"
	whatMore          Key = "alert-more"
	whatSummary       Key = "alert-summary"
	whatNothing       Key = "alert-nothing"
	whatPrivateNobody Key = "alert-private-nobody"
	whatHistory       Key = "alert-history"
	whatHistoryAny    Key = "alert-history-any"

	didNotRead          Key = "did-not-read"
	didReadNotAll       Key = "did-read-not-all"
	didSweepNotAll      Key = "did-sweep-not-all"
	didDecoyDenied      Key = "did-decoy-denied"
	didRead             Key = "did-read"
	didSweep            Key = "did-sweep"
	didPublish          Key = "did-publish"
	didPrivate          Key = "did-private"
	didPrivatePublish   Key = "did-private-publish"
	didPrivateThen      Key = "did-private-then"
	didPrivateMaybe     Key = "did-private-maybe"
	didAsk              Key = "did-ask"
	didAskGot           Key = "did-ask-got"
	didMeetDecoy        Key = "did-meet-decoy"
	callTrustProgram    Key = "call-trust-program"
	nextTamperingGot    Key = "next-tampering-got"
	didCommand          Key = "did-command"
	didCommandLine      Key = "did-command-line"
	didPersist          Key = "did-persist"
	didPersistCommand   Key = "did-persist-command"
	didPersistScripts   Key = "did-persist-scripts"
	titlePersist        Key = "title-persist"
	titlePersistScripts Key = "title-persist-scripts"
	didDecoy            Key = "did-decoy"

	loopCount        Key = "loop-count"
	loopCountLeast   Key = "loop-count-least"
	loopTemporary    Key = "loop-temporary"
	loopTemporaryAny Key = "loop-temporary-any"
	loopNobody       Key = "loop-nobody"
	loopDependency   Key = "loop-dependency"
	loopRenamed      Key = "loop-renamed"
	loopPrivate      Key = "loop-private"
	loopRepeat       Key = "loop-repeat"
	loopNames        Key = "loop-names"
	loopNamesAmong   Key = "loop-names-among"

	callOther Key = "call-other"
	backOther Key = "back-other"

	titleNotRead        Key = "title-not-read"
	titleNotReadGeneral Key = "title-not-read-general"
	nextDenied          Key = "next-denied"
	titleRead           Key = "title-read"
	titleReads          Key = "title-reads"
	titleUsual          Key = "title-usual"
	titleSweep          Key = "title-sweep"
	titlePublish        Key = "title-publish"
	titleLoop           Key = "title-loop"
	titlePrivate        Key = "title-private"
	titlePrivatePublish Key = "title-private-publish"
	titleTampering      Key = "title-tampering"
	titleCommand        Key = "title-command"
	titlePair           Key = "title-pair"
	titlePairGeneral    Key = "title-pair-general"
	titleUnknown        Key = "title-unknown"

	nextReadDependency Key = "next-read-dependency"
	nextReadLow        Key = "next-read-low"
	nextPair           Key = "next-pair"
	nextPublish        Key = "next-publish"
	nextPrivateLow     Key = "next-private-low"
	nextCommandLow     Key = "next-command-low"
	nextReadAsked      Key = "next-read-asked"
	nextReadRegistry   Key = "next-read-registry"
	nextPersistLow     Key = "next-persist-low"
	nextUnknown        Key = "next-unknown"
	nextDemo           Key = "next-demo"
)

// generalTitle is the key of a detector's title that names nobody.
func generalTitle(detector string) Key { return Key("title-of-" + detector) }

// nextOf says what to do after each detector, where nothing more is known.
var nextOf = map[string]Key{
	credentialRead: "next-read", credentialSweep: "next-sweep", publishLoop: nextPublish, publishByInstallScript: nextPublish,
	privateFlagRemoved: "next-private", historySecret: "next-history", guardTampering: "next-tampering",
	wormCommand: "next-command", persistenceByInstallScript: "next-persist", decoyRead: "next-decoy",
}

// alertTexts are the sentences about alerts.
var alertTexts = map[Key]text{
	whatDid:           {En: `%[1]s %[2]s.`, Ja: `%[1]sが、%[2]s。`},
	whatAlso:          {En: `It also %[1]s.`, Ja: `さらに、%[1]s。`},
	whatMore:          {En: `The details tell %[1]d more things.`, Ja: `ほかに %[1]d 件の検知があります。`, One: `The details tell one more thing.`},
	whatSummary:       {En: `%[1]s.`, Ja: `Wormbell の記録（英語）：%[1]s。`},
	whatNothing:       {En: `Wormbell did not record what happened.`, Ja: `何が起きたかは記録されていません。`},
	whatPrivateNobody: {En: `"private": true was removed from %[1]s; this system could not tell by whom.`, Ja: `%[1]s から "private": true が削除されました。誰が行ったかは、このシステムでは特定できませんでした。`},
	whatHistory:       {En: `A command in %[1]s holds a secret (%[2]s): %[3]s`, Ja: `%[1]s に残っているコマンドに、秘密情報（%[2]s）が含まれています：%[3]s`},
	whatHistoryAny:    {En: `your shell history`, Ja: `シェルの履歴`},

	didNotRead:        {En: `was stopped before it read your %[1]s: it was denied, and nothing was read`, Ja: `%[1]sを読み取ろうとしたため、何も読み取られないうちに停止されました`},
	didReadNotAll:     {En: `read your %[1]s, and was stopped before it read your %[2]s`, Ja: `%[1]sを読み取り、%[2]sを読み取ろうとしたところで停止されました`},
	didSweepNotAll:    {En: `%[1]s; it was denied your %[2]s`, Ja: `%[1]s（%[2]sの読み取りは拒否されました）`},
	didDecoyDenied:    {En: `was stopped as it opened %[1]s, a decoy that nobody has a reason to read`, Ja: `誰も読むはずのないおとりファイル %[1]s を開こうとして停止されました`},
	didRead:           {En: `read your %[1]s`, Ja: `%[1]sを読み取りました`},
	didSweep:          {En: `opened %[1]d kinds of credentials within %[2]s: your %[3]s`, Ja: `%[2]sのあいだに %[1]d 種類の認証情報を開きました：%[3]s`},
	didPublish:        {En: `tried to publish %[1]s (with %[2]s)`, Ja: `%[2]s で %[1]s を公開しようとしました`},
	didPrivate:        {En: `removed "private": true from %[1]s`, Ja: `%[1]s から "private": true を削除しました`},
	didPrivatePublish: {En: `removed "private": true from %[1]s and ran %[2]s publish %[3]s later`, Ja: `%[1]s から "private": true を削除し、その %[3]s後に %[2]s publish を実行しました`},
	didPrivateThen:    {En: `removed "private": true from %[1]s, and ran %[2]s publish after it`, Ja: `%[1]s から "private": true を削除し、そのあと %[2]s publish を実行しました`},
	didPrivateMaybe:   {En: `may have removed "private": true from %[1]s, and ran %[2]s publish %[3]s later`, Ja: `%[1]s から "private": true が削除された %[3]s後に %[2]s publish を実行しました（削除したのもこのプログラムの可能性があります）`},
	didAskGot:         {En: `asked Wormbell to %[1]s, and got it, although nobody vouches for who may be behind it`, Ja: `Wormbell に%[1]sよう要求し、背後に何があるか保証されないまま受け入れられました`},
	didAsk:            {En: `asked Wormbell to %[1]s and was refused`, Ja: `Wormbell に%[1]sよう要求し、拒否されました`},
	didCommand:        {En: `ran a command that worms use: %[1]s`, Ja: `ワームがよく使うコマンドを実行しました：%[1]s`},
	didCommandLine:    {En: `ran a command that worms use, as %[2]s says: %[1]s`, Ja: `ワームがよく使うコマンドを実行しました（%[2]s に記録）：%[1]s`},
	didPersist:        {En: `changed %[1]s, from where programs start by themselves`, Ja: `プログラムの自動実行に使われる %[1]s を書き換えました`},
	didPersistScripts: {En: `changed what scripts of %[1]s run: %[2]s`, Ja: `%[1]s の scripts の内容を書き換えました：%[2]s`},
	didPersistCommand: {En: `ran what makes programs start by themselves: %[1]s`, Ja: `プログラムを自動実行させるコマンドを実行しました：%[1]s`},
	didDecoy:          {En: `opened %[1]s, a decoy that nobody has a reason to read`, Ja: `誰も読むはずのないおとりファイル %[1]s を開きました`},

	loopCount:        {En: `%[1]d attempts`, Ja: `%[1]d 回`},
	loopCountLeast:   {En: `%[1]d or more attempts`, Ja: `%[1]d 回以上`},
	loopTemporary:    {En: `ran %[1]s publish in a loop: %[2]s within %[3]s, from a temporary folder (%[4]s)`, Ja: `一時フォルダー（%[4]s）から、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopTemporaryAny: {En: `ran %[1]s publish in a loop: %[2]s within %[3]s, from a temporary folder`, Ja: `一時フォルダーから、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopNobody:       {En: `ran %[1]s publish in a loop: %[2]s within %[3]s, and no person started it (%[4]s)`, Ja: `人が操作していないのに、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました（%[4]s）`},
	loopDependency:   {En: `ran %[1]s publish in a loop: %[2]s within %[3]s`, Ja: `%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopRenamed:      {En: `ran %[1]s publish in a loop: %[2]s within %[3]s, and renamed the package in %[4]s for them`, Ja: `%[4]s のパッケージ名を書き換えながら、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopPrivate:      {En: `ran %[1]s publish in a loop: %[2]s within %[3]s, just after "private" was removed from %[4]s`, Ja: `%[4]s から "private" が削除された直後に、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopRepeat:       {En: `ran %[1]s publish in a loop: %[2]s within %[3]s, all for %[4]s`, Ja: `%[4]s に対して、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopNames:        {En: `ran %[1]s publish in a loop: %[2]s within %[3]s from %[4]s, under the names %[5]s`, Ja: `%[4]s から、パッケージ名を変えながら（%[5]s）、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},
	loopNamesAmong:   {En: `ran %[1]s publish in a loop: %[2]s within %[3]s from %[4]s, under changing names (%[5]s among them)`, Ja: `%[4]s から、パッケージ名を変えながら（%[5]s など）、%[3]sのあいだに %[2]s、%[1]s publish を繰り返しました`},

	// What somebody asked the agent for, by the first word of the call.
	"call-close":       {En: `close the alert %[1]s`, Ja: `警告 %[1]s を対応済みにする`},
	"call-mute":        {En: `hide the alert %[1]s`, Ja: `警告 %[1]s を非表示にする`},
	"call-resume":      {En: `let the frozen programs of the alert %[1]s go on`, Ja: `警告 %[1]s で一時停止したプログラムを再開する`},
	"call-trust":       {En: `trust a program with credentials`, Ja: `認証情報の読み取りを許可する`},
	callTrustProgram:   {En: `trust %[1]s with credentials`, Ja: `%[1]s による認証情報の読み取りを許可する`},
	"call-untrust":     {En: `take back what it trusts`, Ja: `許可の設定を取り消す`},
	"call-pause":       {En: `pause its notifications`, Ja: `通知を停止する`},
	didMeetDecoy:       {En: `went through a whole folder and opened %[1]s, a decoy, on its way`, Ja: `フォルダー全体を調べる途中で、おとりファイル %[1]s を開きました`},
	"call-decoy":       {En: `take a file for a decoy`, Ja: `ファイルをおとりとして扱う`},
	"call-decoys":      {En: `tell where your decoys lie`, Ja: `おとりファイルの場所を教える`},
	"call-undecoy":     {En: `no longer take a file for a decoy`, Ja: `ファイルをおとりとして扱うのをやめる`},
	"call-protect-off": {En: `stop protecting the credentials`, Ja: `認証情報の保護を解除する`},
	callOther:          {En: `do what only a person may ask for`, Ja: `人だけに許された操作を行う`},

	titleNotReadGeneral: {En: `A program was denied your credentials`, Ja: `認証情報の読み取りを阻止しました`},
	titleNotRead:        {En: `%[1]s was denied your credentials`, Ja: `%[1]s の認証情報読み取りを阻止`},
	titleRead:           {En: `%[1]s read your %[2]s`, Ja: `%[1]s が%[2]sを読み取り`},
	titleReads:          {En: `%[1]s read your credentials`, Ja: `%[1]s が認証情報を読み取り`},
	titleUsual:          {En: `Usual reads of credentials`, Ja: `よくある認証情報の読み取り`},
	titleSweep:          {En: `%[1]s collects credentials`, Ja: `%[1]s が認証情報を収集`},
	titlePublish:        {En: `%[1]s tries to publish packages`, Ja: `%[1]s がパッケージ公開を試行`},
	titleLoop:           {En: `%[1]s publishes packages in a loop`, Ja: `%[1]s がパッケージを連続公開`},
	titlePrivate:        {En: `%[1]s removed "private" from a package.json`, Ja: `%[1]s が "private" を削除`},
	titlePrivatePublish: {En: `%[1]s removed "private" and publishes`, Ja: `%[1]s が非公開指定を外して公開`},
	titleTampering:      {En: `%[1]s tried to silence Wormbell`, Ja: `%[1]s が監視の無効化を試行`},
	titlePersistScripts: {En: `%[1]s changed scripts of a project`, Ja: `%[1]s がプロジェクトの scripts を書き換え`},
	titlePersist:        {En: `%[1]s made something start by itself`, Ja: `%[1]s が自動実行を設定`},
	titleCommand:        {En: `%[1]s ran a worm's command`, Ja: `%[1]s がワームのコマンドを実行`},
	titlePair:           {En: `%[1]s read credentials and publishes packages`, Ja: `%[1]s が認証情報を読み公開も実行`},
	titlePairGeneral:    {En: `A program reads credentials and publishes packages`, Ja: `認証情報の読み取りとパッケージの公開を検知`},
	titleUnknown:        {En: `Something suspicious happened`, Ja: `不審な動作を検知しました`},

	"title-of-credential-read":               {En: `A program read credentials that are not its own`, Ja: `無関係なプログラムが認証情報を読み取り`},
	"title-of-credential-sweep":              {En: `A program collects credentials`, Ja: `プログラムが認証情報を収集しています`},
	"title-of-publish-loop":                  {En: `A program publishes packages in a loop`, Ja: `パッケージが繰り返し公開されています`},
	"title-of-publish-by-install-script":     {En: `An install script tries to publish packages`, Ja: `インストールスクリプトがパッケージ公開を試行`},
	"title-of-private-flag-removed":          {En: `A package.json lost its "private" flag`, Ja: `package.json の "private" が削除`},
	"title-of-history-secret":                {En: `A token is in your shell history`, Ja: `シェルの履歴にトークンが残っています`},
	"title-of-guard-tampering":               {En: `A script tried to silence Wormbell`, Ja: `スクリプトが監視を無効にしようとしました`},
	"title-of-worm-command":                  {En: `A script ran a command that worms use`, Ja: `スクリプトがワームの常套コマンドを実行`},
	"title-of-persistence-by-install-script": {En: `An install script made something start by itself`, Ja: `インストールスクリプトが自動実行を設定`},
	"title-of-decoy-read":                    {En: `A program opened a decoy`, Ja: `プログラムがおとりファイルを開きました`},

	nextDenied:         {En: `It is stopped and has read nothing of them, so they need not be replaced. End it. If it is a tool that you trust, let it go on: what it opened then looks to it as if it may not.`, Ja: `停止済みで、何も読み取られていないため、認証情報を交換する必要はありません。プロセスを終了してください。信頼できるツールであれば再開できますが、その読み取りは許可されなかったものとして扱われます。`},
	"next-read":        {En: `If you did not start this, freeze it, then respond to the alert: what it read must be taken for stolen. If it was you, choose “It was me…” if it is offered, else close the alert.`, Ja: `心当たりがなければ、一時停止してから「対処する」に進んでください。読み取られた認証情報は盗まれたものとして扱う必要があります。ご自身の操作であれば、「自分の操作です」が表示されている場合はそれを選び、ない場合は警告を対応済みにしてください。`},
	nextReadDependency: {En: `Freeze it, then respond to the alert: what it read must be taken for stolen and be replaced. Do not install this package again.`, Ja: `一時停止してから「対処する」に進んでください。読み取られた認証情報は盗まれたものとして扱い、交換する必要があります。このパッケージは再度インストールしないでください。`},
	"next-sweep":       {En: `Freeze it now, then respond to the alert: every credential that it opened must be taken for stolen. What it left behind is looked for first, then the tokens are replaced.`, Ja: `今すぐ一時停止し、「対処する」に進んでください。開かれた認証情報はすべて盗まれたものとして扱う必要があります。まず残された仕掛けを調べ、そのあとでトークンを交換します。`},
	nextPair:           {En: `Freeze it now, then respond to the alert: what it read must be taken for stolen. Look on the registry for versions that you did not publish.`, Ja: `今すぐ一時停止し、「対処する」に進んでください。読み取られた認証情報は盗まれたものとして扱う必要があります。公開した覚えのないバージョンがないか、レジストリも確認してください。`},
	nextPublish:        {En: `Freeze it now, then respond to the alert: it looks for traps first, and only then replaces and revokes your npm tokens. Also look on the registry for versions that you did not publish.`, Ja: `今すぐ一時停止し、「対処する」に進んでください。まず残された仕掛けを調べ、そのあとで npm トークンを交換して失効させます。公開した覚えのないバージョンがないか、レジストリも確認してください。`},
	"next-private":     {En: `Look at the file and at what changed it. If you did not do this, freeze the program and put "private": true back: it keeps npm from publishing the project.`, Ja: `ファイルと、書き換えたプログラムを確認してください。心当たりがなければ、プログラムを一時停止し、"private": true を元に戻してください。この指定があれば npm はプロジェクトを公開しません。`},
	nextPrivateLow:     {En: `If you did this, there is nothing to do. If not, put "private": true back: it keeps npm from publishing the project.`, Ja: `ご自身の操作であれば、何もする必要はありません。心当たりがなければ、"private": true を元に戻してください。この指定があれば npm はプロジェクトを公開しません。`},
	"next-history":     {En: `Delete the line from the history file and replace the token: worms read histories for them.`, Ja: `履歴ファイルからその行を削除し、トークンを交換してください。ワームは履歴からトークンを探し出します。`},
	nextTamperingGot:   {En: `If it was not you, take it back: %[1]s. Then freeze the program and look at what it did before.`, Ja: `自分の操作でなければ取り消してください（%[1]s）。そのうえでプログラムを一時停止し、それまでの動作を確認してください。`},
	"back-close":       {En: `open the alert again on the dashboard or with 'wormbell alert reopen'`, Ja: `ダッシュボードか wormbell alert reopen で警告を未対応に戻せます`},
	"back-resume":      {En: `freeze the programs of that alert again`, Ja: `その警告のプログラムをもう一度一時停止してください`},
	"back-trust":       {En: `remove it on the page Trust or with 'wormbell trust remove'`, Ja: `「許可」ページか wormbell trust remove で取り消せます`},
	"back-untrust":     {En: `'wormbell calls' says which row was removed, 'wormbell trust add' adds it again`, Ja: `取り消された許可は wormbell calls で確認し、wormbell trust add で追加できます`},
	"back-pause":       {En: `end the pause in the menu`, Ja: `メニューから通知を再開できます`},
	"back-undecoy":     {En: `plant it anew with 'wormbell decoy plant'`, Ja: `wormbell decoy plant で置き直せます`},
	"back-protect-off": {En: `switch the protection on again in the menu`, Ja: `メニューから保護を有効に戻せます`},
	backOther:          {En: `'wormbell calls' lists what was accepted`, Ja: `受け入れた要求は wormbell calls で確認できます`},
	"next-tampering":   {En: `Nothing was changed: the call was refused. Freeze the program that made it and look at what its package did before.`, Ja: `要求は拒否され、何も変更されていません。要求したプログラムを一時停止し、そのパッケージがそれまでに何をしたかを確認してください。`},
	"next-command":     {En: `If you did not start this, freeze it and look at what started it. What the command gave out must be taken for stolen.`, Ja: `心当たりがなければ、一時停止して、何がこのコマンドを起動したかを確認してください。出力された認証情報は盗まれたものとして扱う必要があります。`},
	"next-persist":     {En: `Freeze the program, then respond to the alert: what was set up is looked for and disabled, with a copy kept; scripts of a package.json you put back yourself.`, Ja: `プログラムを一時停止し、「対処する」に進んでください。仕掛けられたものを探し、コピーを残したうえで無効にします。package.json の scripts は、ご自身で元に戻してください。`},
	nextReadLow:        {En: `Some packages read the .env of the project that they are installed into, to set themselves up. If this is one of those, there is nothing to do; if not, what stands in the file must be taken for stolen.`, Ja: `インストール先のプロジェクトの .env を読んで初期設定をするパッケージもあります。そのようなパッケージであれば、何もする必要はありません。心当たりがなければ、ファイルの内容は盗まれたものとして扱ってください。`},
	nextCommandLow:     {En: `Release tools ask for a token in this way. If you started one, there is nothing to do; if not, what the command gave out must be taken for stolen.`, Ja: `リリースツールもこの方法でトークンを取得します。ご自身で起動したものであれば、何もする必要はありません。心当たりがなければ、出力された認証情報は盗まれたものとして扱ってください。`},
	nextReadAsked:      {En: `Tools that you or your project start read such files to do their work. If you know what is named here, there is nothing to do; if not, what it read must be taken for stolen.`, Ja: `ご自身やプロジェクトが起動したツールが、作業のためにこうしたファイルを読み取ることがあります。心当たりがあれば、何もする必要はありません。心当たりがなければ、読み取られたものは盗まれたものとして扱ってください。`},
	nextReadRegistry:   {En: `Release tools read npm's file to publish, others to ask the registry for a version, and each loads the code of many packages while it does. If you started it, there is nothing to do; if not, look at what did.`, Ja: `リリースツールは公開のため、ほかのツールはレジストリに新しいバージョンを問い合わせるために npm のファイルを読み取り、その際に多くのパッケージのコードを読み込みます。ご自身で起動したものであれば、何もする必要はありません。心当たりがなければ、何がこのツールを起動したかを確認してください。`},
	nextPersistLow:     {En: `Programs that manage git hooks do this, and so do tools that you run with npx. If it is one of yours, there is nothing to do; if not, look at what the file runs.`, Ja: `git フックの管理ツールや、npx で実行したツールもこのような設定をします。ご自身で使っているものであれば、何もする必要はありません。心当たりがなければ、そのファイルが何を実行するかを確認してください。`},
	"next-decoy":       {En: `Freeze it now and look at what else it opened: whoever reads a decoy reads whatever is there.`, Ja: `今すぐ一時停止し、ほかに何を開いたかを確認してください。おとりを読むプログラムは、ほかのファイルも手当たり次第に読んでいます。`},
	nextDemo:           {En: `This is a demonstration: nothing of yours was read, and nothing has to be done. “Respond” shows what would be done; it touches no token of yours. Close the alert when you have seen it.`, Ja: `これはデモです。あなたの情報は何も読み取られておらず、対処の必要はありません。「対処する」に進むと、実際の場合の手順を確認できます（あなたのトークンには触れません）。確認が終わったら、警告を対応済みにしてください。`},
	nextUnknown:        {En: `If you did not start this, freeze it and look at the details.`, Ja: `心当たりがなければ、一時停止して詳細を確認してください。`},

	"severity-none":     {En: `none`, Ja: `なし`},
	"severity-low":      {En: `low`, Ja: `低`},
	"severity-medium":   {En: `medium`, Ja: `中`},
	"severity-high":     {En: `high`, Ja: `高`},
	"severity-critical": {En: `critical`, Ja: `重大`},
	// What was done about an alert, well or in vain: the outcome says which.
	"action-freeze":              {En: `Freeze`, Ja: `一時停止`},
	"action-resume":              {En: `Let it go on`, Ja: `プロセスの再開`},
	"action-kill":                {En: `End the processes`, Ja: `プロセスの終了`},
	"action-close":               {En: `Close`, Ja: `対応済みにする`},
	"action-mute":                {En: `Hide`, Ja: `非表示にする`},
	"action-reopen":              {En: `Open again`, Ja: `未対応に戻す`},
	"action-note":                {En: `Note`, Ja: `メモ`},
	"action-paused":              {En: `Notifications were paused`, Ja: `通知の停止中`},
	"action-merge":               {En: `Put together with another alert`, Ja: `別の警告との統合`},
	"action-revoke-refused":      {En: `Nothing revoked`, Ja: `失効の見送り`},
	"action-persistence-scan":    {En: `Look for traps`, Ja: `仕掛けの調査`},
	"action-persistence-disable": {En: `Disable a trap`, Ja: `仕掛けの無効化`},
	"action-token-create":        {En: `Make a new %[1]s token`, Ja: `新しい %[1]s トークンの作成`},
	"action-token-install":       {En: `Put the new %[1]s token in place`, Ja: `新しい %[1]s トークンの設置`},
	"action-token-revoke":        {En: `Revoke the old %[1]s token`, Ja: `古い %[1]s トークンの失効`},
	"action-token-forget":        {En: `Remove the dead %[1]s token`, Ja: `失効した %[1]s トークンの削除`},
	"action-token-verify":        {En: `Check the new %[1]s token`, Ja: `新しい %[1]s トークンの確認`},
	"action-token-dead":          {En: `See that the old %[1]s token is dead`, Ja: `古い %[1]s トークンの失効の確認`},
	"action-token-abandon":       {En: `Give up replacing the %[1]s token`, Ja: `%[1]s トークンの置き換えの取りやめ`},

	"state-open":   {En: `open`, Ja: `未対応`},
	"state-muted":  {En: `hidden`, Ja: `非表示`},
	"state-closed": {En: `closed`, Ja: `対応済み`},
}

const (
	listLast Key = "list-last"
	listNext Key = "list-next"
	listRest Key = "list-rest"
	listFile Key = "list-file"

	whoNobody     Key = "who-nobody"
	whoPackage    Key = "who-package"
	whoPackageAny Key = "who-package-any"
	whoScript     Key = "who-script"
	whoProgram    Key = "who-program"
	whoFake       Key = "who-fake"

	howIn         Key = "how-in"
	howBy         Key = "how-by"
	howByIn       Key = "how-by-in" // it started in the folder
	howByOf       Key = "how-by-of" // what started it was in the folder
	howTerminal   Key = "how-terminal"
	howTerminalIn Key = "how-terminal-in"
)

// whoTexts are the parts of sentences that name people's programs and things.
var whoTexts = map[Key]text{
	listLast: {En: `%[1]s and %[2]s`, Ja: `%[1]s、%[2]s`},
	listNext: {En: `%[1]s, %[2]s`, Ja: `%[1]s、%[2]s`},
	listRest: {En: `%[1]s and %[2]d more`, Ja: `%[1]s、ほか %[2]d 件`},
	listFile: {En: `%[1]s (%[2]s)`, Ja: `%[1]s（%[2]s）`},

	whoNobody:     {En: `a program that this system could not tell`, Ja: `特定できなかったプログラム`},
	whoPackage:    {En: `the %[1]s script of %[2]s (%[3]s)`, Ja: `%[2]s の %[1]s スクリプト（%[3]s）`},
	whoPackageAny: {En: `an install script of %[1]s (%[2]s)`, Ja: `%[1]s のインストールスクリプト（%[2]s）`},
	whoScript:     {En: `the script %[1]s (%[2]s)`, Ja: `スクリプト %[1]s（%[2]s）`},
	whoProgram:    {En: `the program %[1]s (%[2]s)`, Ja: `プログラム %[1]s（%[2]s）`},
	whoFake:       {En: `something that calls itself %[1]s (%[2]s)`, Ja: `%[1]s を名乗るプログラム（%[2]s）`},

	howIn:         {En: `%[1]s, in %[2]s`, Ja: `%[1]s、作業フォルダーは %[2]s`},
	howBy:         {En: `%[1]s, started by %[2]s`, Ja: `%[1]s、%[2]s から起動`},
	howByIn:       {En: `%[1]s, started by %[2]s in %[3]s`, Ja: `%[1]s、%[2]s から %[3]s で起動`},
	howByOf:       {En: `%[1]s, started by %[2]s in %[3]s`, Ja: `%[1]s、%[3]s の %[2]s から起動`},
	howTerminal:   {En: `%[1]s, started by %[2]s in a terminal`, Ja: `%[1]s、ターミナルの %[2]s から起動`},
	howTerminalIn: {En: `%[1]s, started by %[2]s in a terminal, in %[3]s`, Ja: `%[1]s、ターミナルの %[2]s から %[3]s で起動`},

	"secret-access-token":  {En: `%[1]s access token`, Ja: `%[1]s アクセストークン`},
	"secret-client-secret": {En: `%[1]s client secret`, Ja: `%[1]s クライアントシークレット`},
	"secret-API-key":       {En: `%[1]s API key`, Ja: `%[1]s API キー`},
	"secret-secret":        {En: `%[1]s secret`, Ja: `%[1]s シークレット`},
	"secret-webhook":       {En: `%[1]s webhook`, Ja: `%[1]s ウェブフック`},
	"secret-token":         {En: `%[1]s token`, Ja: `%[1]s トークン`},
	"secret-key":           {En: `%[1]s key`, Ja: `%[1]s キー`},
}
