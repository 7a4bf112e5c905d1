package words

import (
	"slices"
	"strings"

	"wormbell"
	"wormbell/internal/plain"
)

// The sentences of the pages of one alert that depend on what was done about
// its processes.
const (
	PageFroze         Key = "dash-a-froze" // what was done, as the head of an entry
	PageFrozeNothing  Key = "dash-a-froze-nothing"
	PageResumed       Key = "dash-a-resumed"
	PageNotResumed    Key = "dash-a-not-resumed"
	PageKilled        Key = "dash-a-killed"
	PageNotKilled     Key = "dash-a-not-killed"
	PageClosed        Key = "dash-a-closed"
	PageHidden        Key = "dash-a-hidden"
	PageReopened      Key = "dash-a-reopened"
	PageNoted         Key = "dash-a-noted"
	PageCountFroze    Key = "dash-a-count-froze" // and how far it came
	PageCountResumed  Key = "dash-a-count-resumed"
	PageCountKilled   Key = "dash-a-count-killed"
	PageEndedAlready  Key = "dash-a-ended-already"
	PageRunsAlready   Key = "dash-a-runs-already"
	PageLeftFroze     Key = "dash-a-left-froze"
	PageLeftResumed   Key = "dash-a-left-resumed"
	PageLeftKilled    Key = "dash-a-left-killed"
	PageSaid          Key = "dash-a-said"
	PageNextFrozen    Key = "dash-a-next-frozen" // what to do next
	PageNextPart      Key = "dash-a-next-part"
	PageNextEnded     Key = "dash-a-next-ended"
	PageNextClosed    Key = "dash-a-next-closed"
	PageStillFrozen   Key = "dash-a-still-frozen" // after "It was me"
	PageUndone        Key = "dash-a-undone"
	PageUndoneRuns    Key = "dash-a-undone-runs"
	PageUndoneClosed  Key = "dash-a-undone-closed"
	PageClosedFrozen  Key = "dash-a-closed-frozen"
	PageClosedRunning Key = "dash-a-closed-running"
	PageClosedOnly    Key = "dash-a-closed-only"
	PageForeign       Key = "dash-a-foreign"
)

// alertPageTexts are those sentences, and those that the pages say by name.
var alertPageTexts = map[Key]text{
	PageFroze:        {En: "Frozen", Ja: "一時停止"},
	PageFrozeNothing: {En: "Nothing was frozen", Ja: "一時停止したプロセスはありません"},
	PageResumed:      {En: "Let go on", Ja: "再開"},
	PageNotResumed:   {En: "Nothing was let go on", Ja: "再開したプロセスはありません"},
	PageKilled:       {En: "Ended", Ja: "終了"},
	PageNotKilled:    {En: "Nothing was ended", Ja: "終了したプロセスはありません"},
	PageClosed:       {En: "Closed", Ja: "対応済み"},
	PageHidden:       {En: "Hidden", Ja: "非表示"},
	PageReopened:     {En: "Opened again", Ja: "未対応に変更"},
	PageNoted:        {En: "Note", Ja: "メモ"},
	PageCountFroze:   {En: "%[1]d processes were frozen.", One: "1 process was frozen.", Ja: "%[1]d 個のプロセスを一時停止しました。"},
	PageCountResumed: {En: "%[1]d processes go on.", One: "1 process goes on.", Ja: "%[1]d 個のプロセスを再開しました。"},
	PageCountKilled:  {En: "%[1]d processes were ended.", One: "1 process was ended.", Ja: "%[1]d 個のプロセスを終了しました。"},
	PageRunsAlready:  {En: "It runs already.", Ja: "すでに動いています。"},
	PageEndedAlready: {En: "It has already ended.", Ja: "すでに終了しています。"},
	PageLeftFroze:    {En: "%[1]d processes could not be frozen.", One: "1 process could not be frozen.", Ja: "%[1]d 個のプロセスは一時停止できませんでした。"},
	PageLeftResumed:  {En: "%[1]d processes could not be let go on.", One: "1 process could not be let go on.", Ja: "%[1]d 個のプロセスは再開できませんでした。"},
	PageLeftKilled:   {En: "%[1]d processes could not be ended.", One: "1 process could not be ended.", Ja: "%[1]d 個のプロセスは終了できませんでした。"},
	PageSaid:         {En: "%[1]s: %[2]s", Ja: "%[1]s：%[2]s"},

	PageNextFrozen: {En: "It is frozen. Respond, or let it go on if it was you.", Ja: "一時停止中です。「対処する」に進むか、ご自身の操作であれば再開してください。"},
	PageNextPart:   {En: "Not all of it is frozen, or something came after that. Freeze it again, then respond.", Ja: "一部のプロセスはまだ動いているか、あとから動き出しました。もう一度一時停止してから「対処する」に進んでください。"},
	PageNextEnded:  {En: "It has ended, so there is nothing to freeze. If it was not you, respond.", Ja: "すでに終了しているため、一時停止は不要です。心当たりがなければ「対処する」に進んでください。"},
	PageNextClosed: {En: "Its processes are still frozen. Let them go on, or end them.", Ja: "プロセスはまだ一時停止中です。再開するか、終了してください。"},
	// What is worth knowing besides, see restOf.
	"rest-next-read":            {En: "Unless it was you, what it read must be taken for stolen.", Ja: "ご自身の操作でなければ、読み取られた認証情報は盗まれたものとして扱う必要があります。"},
	"rest-next-read-dependency": {En: "What it read must be taken for stolen and be replaced. Do not install this package again.", Ja: "読み取られた認証情報は盗まれたものとして扱い、交換する必要があります。このパッケージは再度インストールしないでください。"},
	"rest-next-sweep":           {En: "Every credential that it opened must be taken for stolen. “Respond” first looks for what it left behind, then replaces the tokens.", Ja: "開かれた認証情報はすべて盗まれたものとして扱う必要があります。「対処する」では、まず残された仕掛けを調べ、そのあとでトークンを交換します。"},
	"rest-next-pair":            {En: "What it read must be taken for stolen. Look on the registry for versions that you did not publish.", Ja: "読み取られた認証情報は盗まれたものとして扱う必要があります。公開した覚えのないバージョンがないか、レジストリも確認してください。"},
	"rest-next-publish":         {En: "“Respond” first looks for traps, and only then replaces and revokes your npm tokens. Also look on the registry for versions that you did not publish.", Ja: "「対処する」では、まず残された仕掛けを調べ、そのあとで npm トークンを交換して失効させます。公開した覚えのないバージョンがないか、レジストリも確認してください。"},
	"rest-next-private":         {En: `If you did not remove "private": true, put it back: it keeps npm from publishing the project.`, Ja: `"private": true を削除した覚えがなければ元に戻してください。この指定があれば npm はプロジェクトを公開しません。`},
	"rest-next-tampering-got":   {En: "Unless it was you, take back what it got: %[1]s.", Ja: "自分の操作でなければ、受け入れられた要求を取り消してください（%[1]s）。"},
	"rest-next-tampering":       {En: "Nothing was changed: the call was refused. Look at what its package did before.", Ja: "要求は拒否され、何も変更されていません。そのパッケージがそれまでに何をしたかを確認してください。"},
	"rest-next-command":         {En: "Unless it was you, what the command gave out must be taken for stolen.", Ja: "ご自身の操作でなければ、コマンドが出力した認証情報は盗まれたものとして扱う必要があります。"},
	"rest-next-persist":         {En: "“Respond” looks for what was set up and disables it, with a copy kept.", Ja: "「対処する」では、仕掛けられたものを探し、コピーを残したうえで無効にします。"},
	"rest-next-decoy":           {En: "Look at what else it opened: whoever reads a decoy reads whatever is there.", Ja: "ほかに何を開いたかを確認してください。おとりを読むプログラムは、ほかのファイルも手当たり次第に読んでいます。"},
	"rest-next-history":         {En: "Delete the line from the history file and replace the token: worms read histories for them.", Ja: "履歴ファイルからその行を削除し、トークンを交換してください。ワームは履歴からトークンを探し出します。"},

	"dash-a-demo":      {En: "All of this was made up for the demonstration. Nothing of yours was touched.", Ja: "すべてデモ用に作られたものです。あなたの情報には触れていません。"},
	"dash-a-undo":      {En: "Undo", Ja: "元に戻す"},
	"dash-a-see-trust": {En: "See what is allowed", Ja: "許可したものを見る"},
	PageStillFrozen:    {En: "It was allowed and the alert is closed, but its processes are still frozen.", Ja: "許可して警告を対応済みにしましたが、プロセスはまだ一時停止中です。"},
	PageUndone:         {En: "Undone: nothing of it is allowed any more, and the alert is open.", Ja: "元に戻しました。許可を取り消し、警告は未対応です。"},
	PageUndoneRuns:     {En: "Its processes were let go on. Freeze them again if it was not you.", Ja: "プロセスは再開されています。ご自身の操作でなければ、もう一度一時停止してください。"},
	PageUndoneClosed:   {En: "Nothing of it is allowed any more, but the alert is still closed.", Ja: "許可は取り消しましたが、警告は対応済みのままです。"},
	PageClosedFrozen:   {En: "The alert is closed, but its processes are still frozen.", Ja: "警告を対応済みにしましたが、プロセスはまだ一時停止中です。"},
	PageClosedRunning:  {En: "The alert is closed, but its processes could not be ended.", Ja: "警告を対応済みにしましたが、プロセスを終了できませんでした。"},
	PageClosedOnly:     {En: "The alert is closed. Its processes stay frozen.", Ja: "警告を対応済みにしました。プロセスは一時停止したままです。"},
	PageForeign:        {En: "This alert is another user’s (uid %[1]s). Only they can say that it was them.", Ja: "この警告は別のユーザー（uid %[1]s）のものです。本人だけが「自分の操作です」と答えられます。"},

	"dash-a-frozen":       {En: "Frozen", Ja: "一時停止中"},
	"dash-a-frozen-part":  {En: "Frozen in part", Ja: "一部のみ一時停止中"},
	"dash-a-freeze-again": {En: "Freeze it again", Ja: "もう一度一時停止する"},
	"dash-a-more":         {En: "More", Ja: "その他"},
	"dash-a-resume":       {En: "Let it go on…", Ja: "プロセスを再開する…"},
	"dash-a-resume-note":  {En: "Every process of this alert that was frozen goes on where it was stopped. Do this only if you know what it is: a worm goes on with its work.", Ja: "この警告で一時停止したプロセスを、止めたところからすべて再開します。何のプロセスか分かっている場合だけにしてください。ワームであれば活動を続けます。"},
	"dash-a-resume-do":    {En: "Let it go on", Ja: "プロセスを再開する"},
	"dash-a-close-frozen": {En: "Its processes are frozen. What is to become of them?", Ja: "プロセスは一時停止中です。どうしますか？"},
	"dash-a-close-resume": {En: "Let them go on", Ja: "再開する"},
	"dash-a-close-kill":   {En: "End them", Ja: "終了する"},
	"dash-a-close-leave":  {En: "Leave them frozen", Ja: "一時停止したままにする"},
	"dash-a-close-plain":  {En: "Close without allowing…", Ja: "許可せずに対応済みにする…"},
	"dash-a-details":      {En: "Details", Ja: "詳細"},
	"dash-a-not-all":      {En: "Your own files did not answer in time, so what they would say is missing here. Load the page again to ask once more.", Ja: "ファイルの確認が時間内に終わらなかったため、その結果は含まれていません。ページを再読み込みすると、もう一度確認します。"},
	"dash-a-was-frozen":   {En: "Its processes are frozen. Once you have allowed this, they go on.", Ja: "プロセスは一時停止中です。許可すると再開します。"},
	"dash-a-hour":         {En: "1 hour", Ja: "1 時間"},
	"dash-a-day":          {En: "1 day", Ja: "1 日間"},
	"dash-a-month":        {En: "30 days", Ja: "30 日間"},
	"dash-a-year":         {En: "1 year", Ja: "1 年間"},
	"dash-a-cut":          {En: "Long lines are cut here. The list has all of them.", Ja: "長い行は省略しています。全文は次のリストにあります。"},
	"dash-a-all-packages": {En: "Show all packages", Ja: "すべてのパッケージを表示"},
}

// restOf is what is worth knowing once the processes are stopped, by what is said
// before.
var restOf = map[Key]Key{
	"next-read":        "rest-next-read",
	nextReadDependency: "rest-next-read-dependency",
	"next-sweep":       "rest-next-sweep",
	nextPair:           "rest-next-pair",
	nextPublish:        "rest-next-publish",
	"next-private":     "rest-next-private",
	nextTamperingGot:   "rest-next-tampering-got",
	"next-tampering":   "rest-next-tampering",
	"next-command":     "rest-next-command",
	"next-persist":     "rest-next-persist",
	"next-decoy":       "rest-next-decoy",
	"next-history":     "rest-next-history",
}

// Halt is what became of an alert's processes by what was done about them.
type Halt int

// The halts.
const (
	HaltNot    Halt = iota // they run, as far as is known
	HaltFrozen             // they are stopped and can go on
	HaltPart               // some are, and others may run
	HaltEnded              // none is left
)

// HaltOf reads what became of a's processes from what was done: the last of
// freeze, resume and kill says it.
func HaltOf(a wormbell.Alert) Halt {
	switch {
	case a.Escaped():
		return HaltPart
	case a.Frozen():
		return HaltFrozen
	}
	for _, did := range slices.Backward(a.Actions) {
		switch did.What {
		case "freeze", freezeNone, "resume", "kill":
			if did.Left == 0 && !RunsAlready(did) && (did.What == "kill" || idle(did)) {
				return HaltEnded
			}
			return HaltNot
		}
	}
	return HaltNot
}

// freezeNone is what the agent calls a freeze that stopped nothing.
const freezeNone = "freeze-none"

// idle reports whether an action on processes reached none. Records of before
// there were counts say it in their outcome.
func idle(a wormbell.Action) bool {
	return a.Done == 0 && (a.Left > 0 || a.What == freezeNone || strings.HasPrefix(a.Outcome, "no process was "))
}

// RunsAlready reports whether an action was to let processes go on of which none
// was stopped any more.
func RunsAlready(a wormbell.Action) bool {
	return a.What == "resume" && idle(a) && strings.HasSuffix(a.Outcome, ": none of the tree was stopped")
}

// Did is an entry of the log of an alert in words.
type Did struct {
	Title   string // what was done
	Text    string // how it went, "" if it is not known
	Typed   string // what somebody typed, in whatever language
	English string // what the agent recorded
}

// Did tells what was done about an alert.
func (w *Words) Did(a wormbell.Action) Did {
	d := Did{Title: w.Action(a.What), English: a.Outcome}
	person := func(key Key) Did {
		d := Did{Title: w.Say(key), Typed: a.Outcome}
		if a.Outcome == "done" { // nothing was typed
			d.Typed = ""
		}
		return d
	}
	switch a.What {
	case "freeze", freezeNone:
		w.count(&d, a, PageFroze, PageFrozeNothing, PageCountFroze, PageLeftFroze)
	case "resume":
		w.count(&d, a, PageResumed, PageNotResumed, PageCountResumed, PageLeftResumed)
	case "kill":
		w.count(&d, a, PageKilled, PageNotKilled, PageCountKilled, PageLeftKilled)
	case "close":
		return person(PageClosed)
	case "mute":
		return person(PageHidden)
	case "reopen":
		return person(PageReopened)
	case "note":
		return person(PageNoted)
	}
	return d
}

// count tells an action on processes.
func (w *Words) count(d *Did, a wormbell.Action, did, nothing, done, left Key) {
	var said []string
	d.Title = w.Say(did)
	switch {
	case a.Done > 0:
		said = append(said, w.Say(done, a.Done))
	case idle(a):
		d.Title = w.Say(nothing)
		switch {
		case RunsAlready(a):
			said = append(said, w.Say(PageRunsAlready))
		case a.Left == 0:
			said = append(said, w.Say(PageEndedAlready))
		}
	}
	if a.Left > 0 {
		said = append(said, w.Say(left, a.Left))
	}
	if len(said) > 0 {
		d.Text = w.join(said)
	}
}

// Sentence is what was done in one sentence or two.
func (w *Words) Sentence(a wormbell.Action) string {
	switch d := w.Did(a); {
	case d.Text == "":
		return ""
	case a.Done > 0:
		return d.Text
	case w.japanese():
		return w.Say(PageSaid, d.Title, d.Text)
	default: // "Nothing was frozen: it has already ended."
		return w.Say(PageSaid, d.Title, strings.ToLower(d.Text[:1])+d.Text[1:])
	}
}

// Next says what to do about an alert whose processes were stopped, or have
// ended: what [Told] has for Next tells to freeze them. "" if there is nothing
// to do.
func (w *Words) Next(a wormbell.Alert) string {
	h := HaltOf(a)
	switch {
	case a.State == wormbell.Closed && (h == HaltFrozen || h == HaltPart):
		return w.Say(PageNextClosed)
	case a.State == wormbell.Closed:
		return ""
	case h == HaltNot:
		return w.Alert(a).Next
	}
	if a.Demo {
		said := []string{w.Alert(a).Next}
		if h != HaltEnded {
			said = append(said, w.Say(PageNextClosed))
		}
		return w.join(said)
	}
	first := PageNextFrozen
	switch h {
	case HaltPart:
		first = PageNextPart
	case HaltEnded:
		first = PageNextEnded
	}
	said := []string{w.Say(first)}
	d := deed{}
	if deeds := w.deeds(a); len(deeds) > 0 {
		d = deeds[0]
	}
	switch key := nextKey(a, d); {
	case key == nextTamperingGot:
		said = append(said, w.Say(restOf[key], w.Say(d.back)))
	case restOf[key] != "":
		said = append(said, w.Say(restOf[key]))
	}
	return plain.Cut(w.join(said), maxWhat)
}
