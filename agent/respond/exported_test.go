package respond

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExportedFinds: which variables of a file are listed, by line.
func TestExportedFinds(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{ // made at run time
		"NPM": dataNPM(), "HF": "hf_" + testRandom(34), "PW": "Zq7" + testRandom(20), "VAULT": "hvs." + testRandom(95)}
	sets := func(line int, name, kind, what string, exported bool) Exported {
		return Exported{Name: name, Line: line, Kind: kind, What: what, Exported: exported}
	}
	const npm, hf, vault = "npm access token", "Hugging Face token", "Vault token"
	for _, c := range []struct {
		name, path, text string
		want             []Exported
	}{
		{"posix", "~/.bashrc", `# my file
export NPM_TOKEN=<NPM>
export EDITOR=vim PATH="$HOME/bin:$PATH"
export NPM_TOKEN=$(pass show npm)
export A_TOKEN="$NPM_TOKEN" B_TOKEN=${C_TOKEN}
[ -f x ] && export HF_TOKEN="<HF>"; echo done
# export OLD_TOKEN='<PW>'
MY_PASSWORD=<PW>
DB_PASSWORD=<PW>
export DB_PASSWORD
declare -x GITHUB_TOKEN=<PW>
typeset -r X_TOKEN=<PW>
if true; then export Y_SECRET=<PW>; fi
alias deploy="VERCEL_TOKEN=<PW> vercel"
NPM_TOKEN=<NPM> npm publish
export EMPTY_TOKEN= FALSE_TOKEN=false
export -n Z_TOKEN=<PW>
NPM_TOKEN=<NPM>
# NPM_TOKEN=<NPM>
`, []Exported{sets(2, "NPM_TOKEN", "npm", npm, true), sets(6, "HF_TOKEN", "huggingface", hf, true), sets(7, "OLD_TOKEN", "", "", false),
			sets(8, "MY_PASSWORD", "", "", false), sets(9, "DB_PASSWORD", "", "", true), sets(11, "GITHUB_TOKEN", "github", "", true),
			sets(12, "X_TOKEN", "", "", false), sets(13, "Y_SECRET", "", "", true), sets(14, "VERCEL_TOKEN", "vercel", "", false), sets(15, "NPM_TOKEN", "npm", npm, false), sets(17, "Z_TOKEN", "", "", false), sets(18, "NPM_TOKEN", "npm", npm, true), sets(19, "NPM_TOKEN", "npm", npm, false)}},
		{"all", "~/.zshenv", "set -a\nAPI_KEY=<HF>\nset +a\nOTHER_TOKEN=<PW>\n", []Exported{sets(2, "API_KEY", "huggingface", hf, true), sets(4, "OTHER_TOKEN", "", "", false)}},
		{"crlf", "~/.profile", "export VAULT_TOKEN=<VAULT>\r\nexport X=1\r\n", []Exported{sets(1, "VAULT_TOKEN", "vault", vault, true)}},
		{"environment.d", "~/.config/environment.d/10-x.conf", "NPM_TOKEN=<NPM>\nPATH=/bin\n", []Exported{sets(1, "NPM_TOKEN", "npm", npm, true)}},
		{"fish", "~/.config/fish/config.fish", "set -gx NPM_TOKEN <NPM>\nset -g HF_TOKEN <HF>\nset --export --global MY_TOKEN '<PW>'\nset -x EDITOR vim\nset -e GONE_TOKEN\nexport Q_TOKEN=<PW>\n",
			[]Exported{sets(1, "NPM_TOKEN", "npm", npm, true), sets(2, "HF_TOKEN", "huggingface", hf, false), sets(3, "MY_TOKEN", "", "", true), sets(6, "Q_TOKEN", "", "", true)}},
		{"fish variables", "~/.config/fish/fish_variables", "# VERSION: 3.0\nSETUVAR --export NPM_TOKEN:<NPM>\nSETUVAR MY_TOKEN:<PW>\nSETUVAR fish_color_cwd:green\n",
			[]Exported{sets(2, "NPM_TOKEN", "npm", npm, true), sets(3, "MY_TOKEN", "", "", false)}},
		{"powershell", "~/Documents/PowerShell/Microsoft.PowerShell_profile.ps1", "$env:NPM_TOKEN = \"<NPM>\"\n$Env:Path += ';x'\n[Environment]::SetEnvironmentVariable('HF_TOKEN', '<HF>', 'User')\n${env:MY_TOKEN}='<PW>';\n$env:A_TOKEN = $env:B_TOKEN\n",
			[]Exported{sets(1, "NPM_TOKEN", "npm", npm, true), sets(3, "HF_TOKEN", "huggingface", hf, true), sets(4, "MY_TOKEN", "", "", true)}},
		{"rubbish", "~/.zshrc", "export\n'\n\"export A_TOKEN\n=x\nset\n$(\n\x00\xff=\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := testMachine(t)
			text := c.text
			for name, v := range secrets {
				text = strings.ReplaceAll(text, "<"+name+">", v)
			}
			testPut(t, m, c.path, text)
			for i := range c.want {
				c.want[i].Path = c.path
			}
			got, err := FindExported(t.Context(), m, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			b, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			for name, v := range secrets {
				if strings.Contains(string(b), v[4:12]) {
					t.Errorf("the value of %s is in the list", name)
				}
			}
			if got, err := FindExported(t.Context(), m, []string{"~/.npmrc"}); err != nil || len(got) != 0 {
				t.Errorf("it opens what it may not: %v, %v", got, err)
			}
			if text := testText(t, m, c.path); strings.Contains(text, "<") {
				t.Error("the test's file is wrong")
			}
		})
	}
}

// TestExportedElsewhere: folders that a variable moves, and what cannot be read.
func TestExportedElsewhere(t *testing.T) {
	t.Parallel()
	m := testMachine(t)
	m.Getenv = func(name string) string {
		return map[string]string{"ZDOTDIR": m.Abs("~/zsh"), "XDG_CONFIG_HOME": m.Abs("~/conf")}[name]
	}
	testPut(t, m, "~/zsh/.zshrc", "export NPM_TOKEN="+dataNPM())
	testPut(t, m, "~/conf/fish/conf.d/a.fish", "set -gx NPM_TOKEN "+dataNPM())
	testPut(t, m, "~/.bashrc", strings.Repeat("export NPM_TOKEN="+dataNPM()+"\n", 2*shellMost))
	if err := os.MkdirAll(m.Abs("~/.zshenv"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := FindExported(t.Context(), m, nil)
	if !errors.Is(err, ErrPartly) || !strings.Contains(err.Error(), ".zshenv") {
		t.Errorf("a folder instead of a file: %v", err)
	}
	if len(got) != shellMost {
		t.Errorf("%d variables, want the limit", len(got))
	}
	got, err = FindExported(t.Context(), m, []string{"~/zsh/.zshrc", "~/conf/fish/conf.d/a.fish"})
	if err != nil || len(got) != 2 || got[0].Path != "~/zsh/.zshrc" || got[1].Path != "~/conf/fish/conf.d/a.fish" {
		t.Errorf("%+v, %v", got, err)
	}
}

// dataNPM makes a token with the checksum that npm's have.
func dataNPM() string {
	return "npms_" + testRandom(40) // the form without one
}

func TestVariableKind(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"NPM_TOKEN": "npm", "ACME_NPM_TOKEN": "npm", "NODE_AUTH_TOKEN": "npm", "GH_TOKEN": "github", "HOMEBREW_GITHUB_API_TOKEN": "github",
		"GITLAB_TOKEN": "gitlab", "AWS_SECRET_ACCESS_KEY": "aws", "CARGO_REGISTRY_TOKEN": "crates-io", "CARGO_REGISTRIES_ACME_TOKEN": "crates-io", "DOCKERHUB_TOKEN": "docker-hub",
		"VAULT_TOKEN": "vault", "OPENAI_API_KEY": "openai", "ANTHROPIC_API_KEY": "anthropic", "HF_TOKEN": "huggingface", "TWINE_PASSWORD": "pypi", "npm_token": "npm",
		"ARM_CLIENT_SECRET": "azure", "GEM_HOST_API_KEY": "rubygems", "STRIPE_API_KEY": "stripe", "SLACK_BOT_TOKEN": "slack", "VERCEL_TOKEN": "vercel",
		"PATH": "", "TOKEN": "", "NPM_CONFIG_PREFIX": "", "MY_SECRET": ""} {
		if got := VariableKind(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func FuzzShellVariables(f *testing.F) {
	f.Add("export A_TOKEN=x\\\n", "~/.bashrc")
	f.Add("set -gx A_TOKEN 'x", "~/a.fish")
	f.Add("$env:X_TOKEN=$(", "~/p.ps1")
	f.Fuzz(func(t *testing.T, text, path string) {
		for _, e := range shellVariables(path, []byte(text)) {
			if !shellName.MatchString(e.Name) || e.Line < 1 || e.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%+v", e)
			}
		}
	})
}
