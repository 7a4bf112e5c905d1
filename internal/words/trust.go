package words

import (
	"strings"
	"time"

	"wormbell"
	"wormbell/internal/plain"
)

const (
	trustRow      Key = "trust-row"
	trustRowUntil Key = "trust-row-until"
	trustBuiltIn  Key = "trust-built-in"

	trustScript Key = "trust-who-script"
	trustSigner Key = "trust-who-signer"

	trustChanged   Key = "trust-changed"
	trustUnchecked Key = "trust-unchecked"
)

// trustTexts say who may read what. The "not-me" sentences say why "it was me"
// makes no row; package itwasme says which.
var trustTexts = map[Key]text{
	trustRow:      {En: `%[1]s may read your %[2]s %[3]s, with no end.`, Ja: `%[1]s に、%[3]s、%[2]sの読み取りを許可します（無期限）。`},
	trustRowUntil: {En: `%[1]s may read your %[2]s %[3]s, until %[4]s.`, Ja: `%[1]s に、%[3]s、%[2]sの読み取りを許可します（%[4]s まで）。`},
	trustBuiltIn:  {En: `%[1]s may read your %[2]s %[3]s.`, Ja: `%[1]s に、%[3]s、%[2]sの読み取りを許可しています。`},
	trustScript:   {En: `the script %[1]s, run by %[2]s,`, Ja: `%[2]s で実行するスクリプト %[1]s`},
	trustSigner:   {En: `what %[1]s vouches for`, Ja: `%[1]s が保証するプログラム`},

	trustChanged:   {En: `%[1]s, and has changed since you allowed it`, Ja: `%[1]s（許可した後に、プログラムが変更されています）`},
	trustUnchecked: {En: `%[1]s, and whether it has changed since you allowed it could not be checked in time`, Ja: `%[1]s（許可した後にプログラムが変更されたかどうかは、時間内に確認できませんでした）`},

	"trust-who-project-code":    {En: `your projects' own code`, Ja: `ご自身のプロジェクトのコード`},
	"trust-who-package-manager": {En: `a package manager itself`, Ja: `パッケージマネージャー本体`},
	"trust-who-reader":          {En: `the program that a credential belongs to`, Ja: `その認証情報を使う本来のプログラム`},
	"trust-who-reader-at-place": {En: `the program that a credential belongs to, installed in your home,`, Ja: `ホームにインストールされた、その認証情報を使う本来のプログラム`},
	"trust-who-native-reader":   {En: `the program that a credential belongs to, a single file in your home or in a sandbox,`, Ja: `ホームに置かれた単体の、またはサンドボックス内の、その認証情報を使う本来のプログラム`},
	"trust-who-signer:*":        {En: `what somebody vouches for`, Ja: `出所が保証されたプログラム`},
	"trust-who-typed-program":   {En: `a program that you start by hand`, Ja: `手で起動したプログラム`},
	"trust-who-project-python":  {En: `your projects' own Python code`, Ja: `ご自身のプロジェクトの Python コード`},
	"trust-who-shell-script":    {En: `a shell script`, Ja: `シェルスクリプト`},
	"trust-who-in-container":    {En: `a program in a container`, Ja: `コンテナー内のプログラム`},
	"trust-who-at-prompt":       {En: `the prompt of node or Python`, Ja: `node や Python の対話プロンプト`},
	"trust-who-backup-tool":     {En: `a backup tool`, Ja: `バックアップツール`},
	"trust-who-home-editor":     {En: `an editor`, Ja: `エディター`},

	"trust-under-person":                  {En: `when you start it in a terminal`, Ja: `ターミナルから起動した場合に限り`},
	"trust-under-project":                 {En: `when it is at home in your home folder, never below a dependency's install script`, Ja: `ホームフォルダー内で動く場合に限り（依存パッケージのインストールスクリプトからは不可）`},
	"trust-under-not-a-dependency-script": {En: `whatever starts it, but never below a dependency's install script`, Ja: `起動元を問わず（依存パッケージのインストールスクリプトからは不可）`},
	"trust-under-any":                     {En: `whatever starts it`, Ja: `起動元を問わず`},
	"trust-under-not-a-suspect":           {En: `unless it belongs to what rang before`, Ja: `警告の対象になっていない限り`},
	"trust-under-not-an-unvouched-script": {En: `unless a script is behind it that nobody vouches for`, Ja: `出所の分からないスクリプトから起動されていない限り`},

	"not-me-nothing":     {En: `The alert does not say which program read which credential, so there is nothing to allow.`, Ja: `どのプログラムがどの認証情報を読み取ったか記録されていないため、許可できるものがありません。`},
	"not-me-other":       {En: `This alert is about more than reading a credential, and only reading can be allowed.`, Ja: `この警告は認証情報の読み取りだけではありません。許可できるのは読み取りだけです。`},
	"not-me-command":     {En: `A script ran a command that gives out credentials or runs what was fetched, and that cannot be allowed: a worm would run the very same. If it was you, close the alert; typed at your own shell, or in a script of your shell, it does not ring.`, Ja: `認証情報を表示する、または取得したコードを実行するコマンドがスクリプトから実行されました。ワームも同じコマンドを実行するため、許可することはできません。ご自身によるものなら、警告をクローズしてください。シェルで直接入力するか、シェルスクリプトから実行すれば警告は出ません。`},
	"not-me-persistence": {En: `Something was made to start by itself, and that cannot be allowed: whatever may write there once may later write anything there. Look at what was written; if you want it, close the alert and leave it where it is.`, Ja: `自動的に起動する設定が書き込まれました。一度許可すると、後からどんな内容でも書き込めるようになるため、許可することはできません。書き込まれた内容を確認し、必要なものであれば、そのまま残して警告をクローズしてください。`},
	"not-me-decoy":       {En: `A decoy was read, and nobody has a reason to read one.`, Ja: `読まれたのはおとりファイルです。おとりを読む正当な理由はありません。`},
	"not-me-demo":        {En: `This is a demonstration: nothing is allowed because of it.`, Ja: `これはデモです。デモをもとに許可することはありません。`},
	"not-me-many":        {En: `It read too many files to allow them all at once; allow single ones with 'wormbell trust add'.`, Ja: `読み取られたファイルが多すぎるため、まとめて許可できません。個別に許可するには wormbell trust add を使ってください。`},
	"not-me-dependency":  {En: `A dependency's install script did it, and nothing below one may be trusted with credentials.`, Ja: `依存パッケージのインストールスクリプトによるものです。その配下のプログラムに認証情報の読み取りを許可することはできません。`},
	"not-me-installer":   {En: `A package manager ran it, and what one runs may change with every install; start it yourself instead.`, Ja: `パッケージマネージャーから実行されています。その内容はインストールのたびに変わり得るため許可できません。直接起動してください。`},
	"not-me-pretender":   {En: `It calls itself a package manager and nobody vouches for it.`, Ja: `パッケージマネージャーを名乗っていますが、出所が確認できません。`},
	"not-me-unknown":     {En: `It is not known which program it was, so there is nobody to allow.`, Ja: `どのプログラムだったか分からないため、許可する相手を特定できません。`},
	"not-me-interpreter": {En: `An interpreter did it without a script of its own (such as node -e), and allowing that would allow everything it is ever told to run.`, Ja: `スクリプトファイルのないインタープリター（node -e など）によるものです。許可すると、渡されたどんなコードにも読み取りを許すことになります。`},
	"not-me-code":        {En: `It loaded other code before its script, so the script alone does not say what it does.`, Ja: `スクリプトの前に別のコードを読み込んでいるため、スクリプトだけでは何をするか判断できません。`},
	"not-me-tool":        {En: `It was read through a tool that does whatever it is told (such as cat), and allowing that would allow every program that starts it.`, Ja: `指示どおりに何でも行うツール（cat など）を通じて読み取られています。許可すると、それを起動するあらゆるプログラムに読み取りを許すことになります。`},
	"not-me-told":        {En: `Its command line names the file or a folder that holds it, so it reads what it is told to, and allowing that would allow every program that starts it.`, Ja: `コマンドラインでこのファイル、またはそれを含むフォルダーが指定されています。指定されたファイルを読むプログラムを許可すると、それを起動するあらゆるプログラムに読み取りを許すことになります。`},
	"not-me-place":       {En: `It lies where anything may put or change files (a temporary folder, node_modules or a cache).`, Ja: `誰でもファイルを置いたり書き換えたりできる場所（一時フォルダー、node_modules、キャッシュ）にあります。`},
	"not-me-writable":    {En: `Others than you can change the file that ran, or a folder that it is in.`, Ja: `実行されたファイル、またはそのフォルダーを、あなた以外のユーザーが書き換えられます。`},
	"not-me-changed":     {En: `The file that ran was changed after it had read the credential, so it cannot be known what would be allowed. Start it once more, and answer the alert that then comes up.`, Ja: `実行されたファイルは、認証情報を読み取った後に変更されています。何を許可することになるのか確認できないため、もう一度起動し、そのとき出る警告で許可してください。`},
	"not-me-gone":        {En: `The file that ran is not there any more, so it cannot be known what would be allowed.`, Ja: `実行されたファイルがすでに存在しないため、何を許可することになるのか確認できません。`},
	"not-me-unseen":      {En: `The file that ran cannot be looked at, so it cannot be known what would be allowed.`, Ja: `実行されたファイルを確認できないため、何を許可することになるのか分かりません。`},
	"not-me-name":        {En: `Its name holds characters that cannot be shown, or is too long.`, Ja: `名前に表示できない文字が含まれているか、名前が長すぎます。`},
	"not-me-names":       {En: `The file that ran has other names (hard links), and one may be that of a credential; allow a copy of it instead.`, Ja: `実行されたファイルには別の名前（ハードリンク）があり、認証情報のファイルと同じものかもしれません。コピーを作成し、そちらを許可してください。`},
	"not-me-system":      {En: `Rows for programs of this system cannot be made yet.`, Ja: `このシステムのプログラムに対する許可は、まだ作成できません。`},
}

// Trust says a row of the trust table in a sentence, as seen at now.
func (w *Words) Trust(row wormbell.TrustRow, now time.Time) string {
	what := w.Store(row.Store)
	if row.Path != "" {
		what = w.Say(listFile, what, file(row.Path))
	}
	under := w.Under(row.Under)
	switch who := w.trusted(row.Who); {
	case row.By == "built-in":
		return capital(w.Say(trustBuiltIn, who, what, under))
	case row.Until == nil:
		return capital(w.Say(trustRow, who, what, under))
	default:
		return capital(w.Say(trustRowUntil, who, what, under, w.At(*row.Until, now)))
	}
}

// Under says when a row holds; what this version does not know stands as it is.
func (w *Words) Under(under string) string {
	if key := Key("trust-under-" + under); trustTexts[key] != (text{}) {
		return w.Say(key)
	}
	return plain.Cut(under, maxName)
}

// Trusted says who a row is about, by itself; "*" is anybody.
func (w *Words) Trusted(who string) string { return strings.TrimSuffix(w.trusted(who), ",") }

// trusted says who a row is about, for the beginning of a sentence.
func (w *Words) trusted(who string) string {
	if key := Key("trust-who-" + who); trustTexts[key] != (text{}) {
		return w.Say(key)
	}
	if signer, ok := strings.CutPrefix(who, "signer:"); ok {
		return w.Say(trustSigner, plain.Cut(signer, maxName))
	}
	exe, script, ok := strings.Cut(strings.TrimPrefix(who, "exe:"), " script:")
	if !ok {
		return file(tilde(exe))
	}
	return w.Say(trustScript, file(tilde(script)), file(tilde(exe)))
}

// Why says in this language a sentence by which package itwasme refuses to make
// a row; another sentence stands as it is.
func (w *Words) Why(english string) string {
	for key, t := range trustTexts {
		if t.En == english {
			return w.Say(key)
		}
	}
	return plain.Cut(english, maxSummary)
}
