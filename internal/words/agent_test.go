package words

import (
	"slices"
	"testing"

	"golang.org/x/text/language"
)

// TestAgent: what the agent says, put together as it puts it together.
func TestAgent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ said, want string }{
		{"refused to close ab12cd34: the call comes from below sh (pid 12), which nobody vouches for; type the command in a terminal yourself",
			"拒否しました（警告 ab12cd34 を対応済みにする）：保証のない sh (pid 12) から起動されたプログラムの要求です。ご自身でターミナルにコマンドを入力してください"},
		{"refused to resume ab12cd34: the call comes from below the postinstall script of evil@1.0.0", "拒否しました（警告 ab12cd34 のプロセスを再開する）：evil@1.0.0 の postinstall スクリプトから起動されたプログラムの要求です"},
		{"refused to mute ab12cd34: the call comes from below npm install (pid 4211)", ""},
		{"refused to mute ab12cd34: the call comes from below npm (pid 4211)", "拒否しました（警告 ab12cd34 を非表示にする）：npm（PID 4211）から起動されたプログラムの要求です"},
		{"refused to mute ab12cd34: the call comes from below a process of alert k7f3m9qx", "拒否しました（警告 ab12cd34 を非表示にする）：警告 k7f3m9qx のプロセスから起動されたプログラムの要求です"},
		{"refused to pause: the call comes from no terminal (it hides what it runs, and this agent is not root's, so it cannot tell)",
			"拒否しました（通知を停止する）：ターミナルからの要求ではありません（実行中のプログラムを確認できません。エージェントが root で動いていないためです）"},
		{"refused to trust exe:/usr/bin/vim with npm: the agent could not tell who asks", "拒否しました（exe:/usr/bin/vim に npm の読み取りを許可する）：要求したプログラムを特定できません"},
		{"refused to trust exe:/usr/bin/vim with npm: it could not be told later whether the program has changed: it belongs to somebody else",
			"拒否しました（exe:/usr/bin/vim に npm の読み取りを許可する）：プログラムが変更されたかどうかを後で確認できません（別のユーザーのものです）"},
		{"refused to announce the reading of credentials: another program asks", "拒否しました（認証情報の読み取りを事前に知らせる）：別のプログラムからの要求です"},
		{"your notifications are paused already, until 2026-11-22T13:00:00Z", "通知はすでに 2026-11-22T13:00:00Z まで停止しています"},
		{"this agent cannot freeze processes", "このエージェントではできません：プロセスの一時停止"},
		{"alerts are kept in memory only, they would be lost with the agent: the disk is full", "警告をディスクに保存できません。エージェントが終了すると失われます：ディスクがいっぱいです"},
		{"the alert database was damaged; it was set aside as \"/x/alerts.corrupt\" and a new one begun", "警告のデータベースが壊れていたため、\"/x/alerts.corrupt\" に移し、新しく作り直しました"},
		{"no proc connector here; processes that live shorter than 100 ms are not seen", "proc connector が使えません。100 ミリ秒未満で終わるプロセスは検知できません"},
		{"no eBPF here; the command lines of processes that live for a moment are missed", "eBPF が使えません。すぐに終わるプロセスのコマンドラインは分かりません"},
		{"/home/a is not watched: nfs may hang; some folders are only looked at from time to time", "/home/a は監視していません：nfs は応答しなくなるおそれがあります。一部のフォルダーは、ときどき確認するだけです"},
		{"cannot read ~/.bash_history: belongs to another user; and 2 more", "~/.bash_history を読めません：別のユーザーのものです。ほか 2 件"},
		{"no agent is running at /run/wormbell/wormbell.sock or /run/user/1000/wormbell.sock: nobody listens", "エージェントが動いていません（/run/wormbell/wormbell.sock or /run/user/1000/wormbell.sock）：応答するプログラムがありません"},
		{"the socket is not served by the agent: /run/x.sock belongs to uid 1000", "ソケットの相手はエージェントではありません：/run/x.sock は uid 1000 のものです"},
		{"pause is locked by your administrator: /etc/wormbell/conf.d/50-fleet.toml", "管理者によってロックされています（通知を停止する）：/etc/wormbell/conf.d/50-fleet.toml"},
		{"trust is locked by your administrator: /etc/wormbell/conf.d/50-fleet.toml", "管理者によってロックされています（読み取りの許可の追加）：/etc/wormbell/conf.d/50-fleet.toml"},
		{`settings: "/etc/wormbell/conf.d/50.toml" is not used: no key "stroes"; did you mean "stores"?; what it said when it was last good holds`,
			`設定："/etc/wormbell/conf.d/50.toml" は使えません："stroes" という項目はありません。"stores" の間違いではありませんか。最後に正しかったときの内容を使っています`},
		{`settings: "/etc/wormbell/conf.d/50.toml" is not used: others may write it (mode 0664); nothing that it says is in force`,
			`設定："/etc/wormbell/conf.d/50.toml" は使えません：ほかのユーザーが書き換えられます（モード 0664）。このファイルの内容はすべて無効です`},
		{`trust: row 2 of "/etc/wormbell/trust.d/10.toml" is left out: there is no such store`, `許可："/etc/wormbell/trust.d/10.toml" の 2 番目を除外しました：その種類の認証情報はありません`},
		// What is called so by whoever asks stays within its place.
		{"refused to trust exe:/x: the agent could not tell who asks with npm: the agent could not tell who asks", "拒否しました（exe:/x: the agent could not tell who asks に npm の読み取りを許可する）：要求したプログラムを特定できません"},
	} {
		got := In(language.Japanese).Translate(tt.said)
		if tt.want == "" { // in part, and what is not is marked
			if !slices.ContainsFunc(got, func(p Part) bool { return p.English }) {
				t.Errorf("%q: %q is all Japanese", tt.said, got)
			}
			continue
		}
		if got.String() != tt.want || slices.ContainsFunc(got, func(p Part) bool { return p.English }) {
			t.Errorf("%q:\n%q, want\n%q", tt.said, got, tt.want)
		}
	}
}
