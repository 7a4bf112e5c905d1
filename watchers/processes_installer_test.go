package watchers

import (
	"testing"

	"wormbell/internal/ancestry"
)

// TestKeptYarn: the release of yarn that a project keeps is an installer below a
// yarn that is vouched for, and not by itself.
func TestKeptYarn(t *testing.T) {
	t.Parallel()
	up := &run{img: &image{exe: "/usr/bin/node", script: "/usr/bin/yarn", args: []string{"node", "/usr/bin/yarn", "install"}, signer: "deb:yarn"}}
	kept := &run{parent: up, img: &image{exe: "/usr/bin/node", script: "/home/me/app/.yarn/releases/yarn-4.18.1.cjs",
		args: []string{"node", "/home/me/app/.yarn/releases/yarn-4.18.1.cjs", "install"}}}
	for _, vouched := range []bool{true, false} {
		if up.installer = vouched; ancestry.Installer(kept.asInstaller()) != vouched {
			t.Errorf("below a yarn whose being an installer is %v it is the opposite", vouched)
		}
	}
}
