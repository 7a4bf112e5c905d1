package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestRole: the Ansible role installs from the release's repository, with the
// real apt and the real dnf, and has nothing to do the second time.
func TestRole(t *testing.T) {
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("needs ansible-playbook (Debian: ansible-core)")
	}
	releases(t)
	for manager, prepare := range map[string]string{
		"apt": `rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/preferences.d/* /var/lib/apt/lists/*; mkdir -p /etc/apt/sources.list.d
			sed -i "s#^URIs: .*#URIs: file:/srv/repo/apt#" /srv/repo/wormbell.sources`,
		"dnf": `mkdir -p /etc/yum.repos.d /etc/pki/rpm-gpg /etc/dnf/vars && rm -f /etc/yum.repos.d/* && rpm --initdb && echo 1 >/etc/dnf/vars/releasever
			sed -i "s#https://packages.example.com/wormbell/repo#file:///srv/repo#" /srv/repo/wormbell.repo`,
	} {
		t.Run(manager, func(t *testing.T) {
			if _, err := exec.LookPath(manager); err != nil {
				t.Skipf("needs %s, which is not installed", manager)
			}
			j := newJail(t)
			// What this machine's package manager is, Ansible would find out by itself; here both are tried.
			j.run(`mkdir -p /srv && cp -r /share/` + newer + `/repo /srv/repo && ` + prepare + `
				cat >/srv/play.yml <<'EOF'
- hosts: all
  gather_facts: false
  vars: {wormbell_repository: /srv/repo, wormbell_settings: {stores: [ssh]}, wormbell_trust: [{store: aws, who: "exe:/opt/b", reason: backup}]}
  tasks:
    - ansible.builtin.set_fact: {pkg_mgr: ` + manager + `, cacheable: true}
    - ansible.builtin.include_role: {name: wormbell}
EOF`)
			const play = `export HOME=/srv ANSIBLE_LOCAL_TEMP=/tmp/l ANSIBLE_REMOTE_TEMP=/tmp/r ANSIBLE_ROLES_PATH=/share/repo/packaging/ansible/roles
				ansible-playbook -i localhost, -c local `
			if out := j.run(play + "--check --syntax-check /srv/play.yml"); !strings.Contains(out, "playbook: ") {
				t.Errorf("the syntax: %s", out)
			}
			j.run(play + "/srv/play.yml")
			if got := j.run("wormbell --version; systemctl is-enabled wormbelld; cat /etc/wormbell/conf.d/50-fleet.toml"); !strings.HasPrefix(got, "wormbell v"+newer+"\nenabled\n") || !strings.Contains(got, `stores = ["ssh"]`) {
				t.Errorf("there is %q", got)
			}
			for _, how := range []string{"", "--check "} {
				if out := j.run(play + how + "/srv/play.yml"); !strings.Contains(out, "changed=0 ") {
					t.Errorf("the second time %s:\n%s", how, out)
				}
			}
		})
	}
}
