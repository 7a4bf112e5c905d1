package main

// ownFiles are a person's own dealings with their files: looks, searches, editors,
// dotfiles, backups and indexes, by hand and by a timer.
var ownFiles = []chore{
	{name: "look", types: `cat ~/.npmrc >/dev/null && head -1 ~/.aws/credentials && wc -c <~/.netrc && grep -c auth ~/.npmrc && sed -n 1p ~/.git-credentials && less ~/.npmrc </dev/null >/dev/null`},
	{name: "look-closer", needs: []string{"xxd"}, types: `sha256sum ~/.npmrc ~/.netrc && xxd -l 8 ~/.git-credentials && diff ~/.npmrc ~/.npmrc && awk -F= '{print $1}' ~/.npmrc && cut -d: -f1 ~/.git-credentials && sort ~/.aws/config && tail -1 ~/.docker/config.json && cp -p ~/.npmrc npmrc.copy && rm npmrc.copy && stat ~/.npmrc && ls -laR ~/.aws`},
	{name: "search", types: `grep -rl registry ~ --include='.*' --exclude-dir=work >/dev/null; find ~ -maxdepth 2 -name '.npmrc' -exec grep -c registry {} +`},
	{name: "search-home", types: `grep -rsl --exclude-dir=work --exclude-dir=.npm --exclude-dir='.tools-*' 'oauth_token' ~ | grep -q hosts.yml`},
	{name: "search-rg", needs: []string{"rg"}, types: `rg -l --hidden -g '!work' -g '!.npm' -g '!.tools-*' oauth_token ~ | grep -q hosts.yml`},

	{name: "edit-sed", types: `cp -p ~/.npmrc ~/.npmrc.old && sed -i 's/fund=false/fund=true/' ~/.npmrc && mv ~/.npmrc.old ~/.npmrc`},
	{name: "edit-rename", types: `(umask 077; sed 's/audit=false/audit=true/' ~/.npmrc >~/.npmrc.new) && mv ~/.npmrc.new ~/.npmrc && perl -pi -e 's/audit=true/audit=false/' ~/.npmrc && grep -q audit=false ~/.npmrc`},
	{name: "edit-vim", needs: []string{"vim.tiny"}, types: `vim.tiny -es -c 's/$/ /' -c 's/ $//' -c wq ~/.npmrc </dev/null`},
	{name: "edit-vim-rename", needs: []string{"vim"}, types: `vim -es -N -u NONE -c 'set backupcopy=no backup backupdir=.' -c '$put =\";vim\"' -c wq ~/.npmrc </dev/null && grep -q ';vim' ~/.npmrc && vim -es -N -u NONE -c 'g/;vim/d' -c wq ~/.npmrc </dev/null && ! grep ';vim' ~/.npmrc`},
	{name: "edit-nvim", needs: []string{"nvim"}, types: `nvim --headless --clean -c '$put =\";nvim\"' -c wq ~/.npmrc && grep -q ';nvim' ~/.npmrc && nvim --headless --clean -c 'g/;nvim/d' -c wq ~/.npmrc && ! grep ';nvim' ~/.npmrc`},
	{name: "edit-nano", needs: []string{"nano", "script"}, types: `(sleep 1; printf ';nano\r\x0f\r'; sleep 1; printf '\x18') | TERM=xterm timeout --foreground 20 script -qec "nano -I $HOME/.npmrc" /dev/null >/dev/null && grep -q ';nano' ~/.npmrc && sed -i '/;nano/d' ~/.npmrc`},
	{name: "edit-emacs", needs: []string{"emacs"}, types: `emacs --batch -Q ~/.npmrc --eval '(progn (goto-char (point-max)) (insert ";emacs\n") (save-buffer))' && grep -q ';emacs' ~/.npmrc && emacs --batch -Q ~/.npmrc --eval '(progn (flush-lines ";emacs") (save-buffer))' && ! grep ';emacs' ~/.npmrc && rm -f ~/.npmrc~`},
	{name: "edit-npm", types: `npm config set save-exact true && npm config delete save-exact && npm config set //registry.example.com/:_authToken decoy && npm logout --fetch-retries=0 --registry http://127.0.0.1:9/ 2>/dev/null; npm config delete //registry.example.com/:_authToken`},

	{name: "stow", needs: []string{"stow"}, files: map[string]string{"dotfiles/.npmrc-work": "fund=false\n"}, types: `stow -d . -t ~ dotfiles && stow -D -d . -t ~ dotfiles`},
	{name: "stow-npmrc", needs: []string{"stow"}, types: `mkdir -p npm && mv ~/.npmrc npm/.npmrc && stow -t ~ npm && npm whoami && cat ~/.npmrc >/dev/null && stow -D -t ~ npm && mv npm/.npmrc ~/.npmrc`},
	{name: "yadm", needs: []string{"yadm", "git"}, types: `cd ~ && yadm init && yadm add ~/.bashrc ~/.npmrc ~/.gitconfig && yadm commit -qm dotfiles && yadm status && yadm diff && yadm ls-files | grep -q npmrc`},
	{name: "vcsh", needs: []string{"vcsh", "git"}, types: `vcsh init npm && vcsh npm add ~/.npmrc && vcsh npm commit -qm npmrc && vcsh npm status && vcsh list-tracked`},
	{name: "chezmoi", needs: []string{"chezmoi"}, types: `chezmoi init && chezmoi add ~/.npmrc && chezmoi diff && chezmoi apply && chezmoi verify`},
	{name: "home-in-git", needs: []string{"git"}, types: `git --git-dir=$PWD/home.git --work-tree=$HOME init -q && git --git-dir=$PWD/home.git --work-tree=$HOME add ~/.netrc ~/.aws && git --git-dir=$PWD/home.git --work-tree=$HOME commit -qm home && git --git-dir=$PWD/home.git --work-tree=$HOME status -uno`},

	{name: "tar", types: `tar -C ~ -czf $TMP/backup.tgz --exclude=work --exclude=.npm --exclude='.tools-*' --exclude=.local/lib .`},
	{name: "cp", types: `cp -a ~/.npmrc ~/.aws ~/.config ~/.netrc $TMP/ && ls $TMP/.npmrc`},
	{name: "rsync", needs: []string{"rsync"}, types: `rsync -a --exclude=work --exclude=.npm --exclude='.tools-*' --exclude=.local/lib ~/ $TMP/copy/`},
	{name: "restic", needs: []string{"restic"}, types: `export RESTIC_PASSWORD=decoy; restic -q -r $TMP/restic init && restic -q -r $TMP/restic backup ~ --exclude ~/work --exclude ~/.npm --exclude '.tools-*' && restic -q -r $TMP/restic check`},
	{name: "cron-tar", alone: true, types: `tar -C ~ -cf $TMP/cron.tar --exclude=work --exclude=.npm --exclude='.tools-*' --exclude=.local/lib .`},
	{name: "cron-rsync", alone: true, needs: []string{"rsync"}, types: `rsync -a --exclude=work --exclude=.npm --exclude='.tools-*' --exclude=.local/lib ~/ $TMP/cron-copy/`},
	{name: "cron-restic", slow: true, alone: true, needs: []string{"restic"}, types: `export RESTIC_PASSWORD=decoy; restic -q -r $TMP/cron-restic init && restic -q -r $TMP/cron-restic backup ~ --exclude ~/work --exclude ~/.npm --exclude '.tools-*'`},
	{name: "cron-borg", slow: true, alone: true, needs: []string{"borg"}, types: `export BORG_BASE_DIR=$TMP/borg-base; borg init -e none $TMP/cron-borg && borg create $TMP/cron-borg::one ~/.npmrc ~/.aws ~/.config ~/.netrc`},
	{name: "cron-script", alone: true, files: map[string]string{"backup.sh": "#!/bin/sh\nset -e\nmkdir -p \"$TMP/script\"\nfor f in .npmrc .netrc .git-credentials; do cp -p \"$HOME/$f\" \"$TMP/script/$f\"; done\ntar -C \"$HOME\" -cf - .aws .config | gzip >\"$TMP/script/rest.tgz\"\n"},
		types: `sh backup.sh && ls $TMP/script/.npmrc`},
	{name: "cron-updatedb", alone: true, needs: []string{"updatedb"}, types: `updatedb -l 0 -U ~ -o $TMP/locate.db --prunepaths ''`},
	{name: "cron-npm", alone: true, types: `npm whoami && npm ping && npm view publish-none >/dev/null 2>&1; true`},
	{name: "cron-git", alone: true, needs: []string{"git"}, types: `git -C ~ ls-files >/dev/null 2>&1; printf 'protocol=https\nhost=git.example.com\n\n' | git credential fill >/dev/null`},
	{name: "indexer", slow: true, needs: []string{"dbus-run-session", "/usr/libexec/tracker-miner-fs-3", "tracker3"}, alone: true,
		files: map[string]string{"~/Documents/letter.txt": "wormbell letter\n", "~/.config/user-dirs.dirs": "XDG_DOCUMENTS_DIR=\"$HOME/Documents\"\n"}, types: `export XDG_CACHE_HOME=$TMP/index-cache XDG_DATA_HOME=$TMP/index-data XDG_RUNTIME_DIR=$TMP GSETTINGS_BACKEND=memory
dbus-run-session -- sh -c '/usr/libexec/tracker-miner-fs-3 -s 0 & miner=$!; for i in $(seq 150); do tracker3 sparql --dbus-service org.freedesktop.Tracker3.Miner.Files -q "SELECT ?u {?f a nfo:FileDataObject; nie:url ?u}" | grep -q letter.txt && found=1 && break; sleep .2; done; kill $miner; wait $miner; test "$found" = 1'`},
}
