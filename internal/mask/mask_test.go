package mask

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// body returns n characters drawn from chars. Every secret of these tests is
// made up while they run: none stands in a file where a scanner would find it.
func body(n int, chars string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = chars[rand.IntN(len(chars))]
	}
	// Enough kinds of characters for certain, however the lot falls.
	for i, c := range "4k7Wq2Zx" {
		if i < n && strings.ContainsRune(chars, c) {
			b[i] = byte(c)
		}
	}
	return string(b)
}

const hexa, lowers, b64 = "0123456789abcdef", "0123456789abcdefghijklmnopqrstuvwxyz", base62 + "+/"

// checked returns a body with the right checksum.
func checked() string { b := body(30, base62); return b + checksum(b) }

// wrong returns one with a wrong checksum.
func wrong() string {
	b := []byte(checked())
	b[35] = base62[(strings.IndexByte(base62, b[35])+1)%62]
	return string(b)
}

func ageBody() string {
	b := body(52, strings.ToUpper(bech32Chars))
	chk := bech32("age-secret-key-", strings.ToLower(b)+"qqqqqq") ^ 1
	for i := range 6 {
		b += strings.ToUpper(string(bech32Chars[chk>>(5*(5-i))&31]))
	}
	return b
}

func TestLine(t *testing.T) {
	t.Parallel()
	pypi := "IcHlwaS5vcmc" + body(60, base62)
	uid := body(8, hexa) + "-" + body(4, hexa) + "-" + body(4, hexa) + "-" + body(4, hexa) + "-" + body(12, hexa)
	for _, c := range []struct {
		name, line string // § is where the secret stands
		secret     string
		want       string
		kinds      []string
	}{
		{"npm", "npm config set //registry.example.com/:_authToken npm_§", checked(), "npm config set //registry.example.com/:_authToken npm_***", []string{"npm access token"}},
		{"npm in npmrc form", "echo //registry.example.com/:_authToken=npm_§ >> .npmrc", checked(), "echo //registry.example.com/:_authToken=npm_*** >> .npmrc", []string{"npm access token"}},
		{"npm, wrong checksum", "export NPM_TOKEN=npm_§", wrong(), "export NPM_TOKEN=npm_***", nil},
		{"npm, longer form", "npm_§", body(44, base62), "npm_***", []string{"npm access token"}},
		{"npm, cut short", "echo npm_§", body(20, base62), "echo npm_***", nil},
		{"npm, quoted", `curl -H "Authorization: Bearer npm_§" https://registry.example.com/`, checked(), `curl -H "Authorization: Bearer npm_***" https://registry.example.com/`, []string{"npm access token"}},
		{"npm, inside a word", `git push https://x:npm_§@git.example.com/a.git`, checked(), `git push https://x:npm_***@git.example.com/a.git`, []string{"npm access token"}},
		{"npm, a word before", "xnpm_§", checked(), "xnpm_***", []string{"npm access token"}},
		{"npm placeholder", "NPM_TOKEN=npm_§ npm publish", strings.Repeat("x", 36), "NPM_TOKEN=npm_*** npm publish", nil},
		{"npm upper placeholder", "NPM_TOKEN=npm_§ npm publish", strings.Repeat("X", 36), "NPM_TOKEN=npm_*** npm publish", nil},
		{"npm old", "NPM_TOKEN=§ npm publish", uid, "NPM_TOKEN=*** npm publish", []string{"npm access token"}},
		{"npm _auth", "npm config set _auth §", "dXNlcjpwYXNzd29yZDQ3MTE=", "npm config set _auth ***", []string{"npm registry password"}},
		{"ghp", "git clone https://ghp_§@github.com/a/b", checked(), "git clone https://ghp_***@github.com/a/b", []string{"GitHub token"}},
		{"ghs wrong", "GH_TOKEN=ghs_§ gh pr list", wrong(), "GH_TOKEN=ghs_*** gh pr list", nil},
		{"github_pat", "GH_TOKEN=github_pat_§", body(22, base62) + "_" + body(59, base62), "GH_TOKEN=github_pat_***", []string{"GitHub token"}},
		{"github old", "export GITHUB_TOKEN=§", body(40, hexa), "export GITHUB_TOKEN=***", []string{"GitHub token"}},
		{"gitlab", "glab auth login -t glpat-§", body(20, base62), "glab auth login -t glpat-***", []string{"GitLab token"}},
		{"aws secret", "AWS_SECRET_ACCESS_KEY=§ aws s3 ls", body(40, b64), "AWS_SECRET_ACCESS_KEY=*** aws s3 ls", []string{"AWS secret key"}},
		{"aws configure", "aws configure set aws_secret_access_key §", body(40, b64), "aws configure set aws_secret_access_key ***", []string{"AWS secret key"}},
		{"aws beside its id", "./deploy AKIAQ4J2L7XWZ5N6B3TC §", body(40, b64), "./deploy AKIA*** ***", []string{"AWS secret key"}},
		{"google", "curl https://maps.example.com/?key=AIza§&x=1", body(35, base62), "curl https://maps.example.com/?key=AIza***&x=1", []string{"Google API key"}},
		{"azure", "az login -p §", body(3, base62) + "8Q~" + body(34, base62), "az login -p ***", []string{"Azure client secret"}},
		{"azure alone", "echo §", body(3, base62) + "8Q~" + body(34, base62), "echo ***", []string{"Azure client secret"}},
		{"pypi", "twine upload -u __token__ -p pypi-AgE§", pypi, "twine upload -u __token__ -p pypi-AgE***", []string{"PyPI token"}},
		{"vault", "VAULT_TOKEN=hvs.§", body(95, base62), "VAULT_TOKEN=hvs.***", []string{"Vault token"}},
		{"stripe", "stripe --api-key sk_live_§", body(24, base62), "stripe --api-key sk_live_***", []string{"Stripe key"}},
		{"stripe test", "stripe --api-key sk_test_§", body(24, base62), "stripe --api-key sk_test_***", nil},
		{"slack", "SLACK=xoxb-§", "1234509876-1234509877-" + body(24, base62), "SLACK=xoxb-***", []string{"Slack token"}},
		{"anthropic", "ANTHROPIC_API_KEY=sk-ant-api03-§", body(93, base62) + "AA", "ANTHROPIC_API_KEY=sk-ant-***", []string{"Anthropic key"}},
		{"openai", "x sk-proj-§", body(74, base62) + "T3BlbkFJ" + body(74, base62), "x sk-proj-***", []string{"OpenAI key"}},
		{"hugging face", "hf auth login --token hf_§", body(34, base62[10:]), "hf auth login --token hf_***", []string{"Hugging Face token"}},
		{"digitalocean", "doctl auth init -t dop_v1_§", body(64, hexa), "doctl auth init -t dop_v1_***", []string{"DigitalOcean token"}},
		{"age", "echo AGE-SECRET-KEY-1§ > key.txt", ageBody(), "echo AGE-SECRET-KEY-1*** > key.txt", []string{"age secret key"}},
		{"private key", "echo '-----BEGIN OPENSSH PRIVATE KEY-----\n§\n-----END OPENSSH PRIVATE KEY-----' > k", body(70, b64) + "\n" + body(70, b64), "echo '-----BEGIN OPENSSH PRIVATE KEY-----***-----END OPENSSH PRIVATE KEY-----' > k", []string{"private key"}},
		{"web token", "curl -H 'Authorization: Bearer eyJ§' http://localhost", body(20, base62) + ".eyJ" + body(40, base62) + "." + body(43, base62), "curl -H 'Authorization: Bearer eyJ***' http://localhost", nil},
		{"basic", "curl -H 'Authorization: Basic §' http://localhost", "dXNlcjpodW50ZXIy", "curl -H 'Authorization: Basic ***' http://localhost", nil},
		{"bare header", `curl -H "X-Api-Key: §" x`, "hunter2", `curl -H "X-Api-Key: ***" x`, nil},
		{"escaped blank", `curl -H Authorization:\ Bearer\ § x`, "hunter2", `curl -H Authorization:\ Bearer\ *** x`, nil},
		{"url", "psql postgres://ann:§@db.example.com:5432/app", "hunt:er2", "psql postgres://ann:***@db.example.com:5432/app", nil},
		{"assignment", "DB_PASSWORD=§ ./run", "hunter2", "DB_PASSWORD=*** ./run", nil},
		{"assignment, quoted", `export API_KEY="§"; ./run`, "hunter2 hunter3", `export API_KEY="***"; ./run`, nil},
		{"assignment, two quotings", `SECRET=§ ./run`, `abc"d e"'f g'\ h`, `SECRET=*** ./run`, nil},
		{"assignment in a script", `sh -c "TOKEN=§ npm publish"`, "hunter2", `sh -c "TOKEN=*** npm publish"`, nil},
		{"assignment as a word", `env "TOKEN=§" npm publish`, "hunter2 hunter3", `env "TOKEN=***" npm publish`, nil},
		{"escaped quotes in a script", `sh -c "TOKEN=\"§\" npm publish"`, "hunter2 hunter3", `sh -c "TOKEN=\"***\" npm publish"`, nil},
		{"json", `curl -d '{"user":"ann","password":"§","x":1}' x`, "hunter 2", `curl -d '{"user":"ann","password":"***","x":1}' x`, nil},
		{"fish", "set -gx DB_PASSWORD §", "hunter2", "set -gx DB_PASSWORD ***", nil},
		{"powershell", `$env:NPM_TOKEN = "§"`, "hunter2", `$env:NPM_TOKEN = "***"`, nil},
		{"default", "echo ${TOKEN:-§}", "hunter2", "echo ${TOKEN:-***}", nil},
		{"flag", "tool --password § --verbose", "hunter2", "tool --password *** --verbose", nil},
		{"flag with =", "tool --password=§ --verbose", "hunter2", "tool --password=*** --verbose", nil},
		{"flag quoted", "tool --token '§' x", "hunter 2", "tool --token '***' x", nil},
		{"sshpass", "sshpass -p§ ssh host", "hunter2", "sshpass -p*** ssh host", nil},
		{"mysql", "sudo mysql -u root -p§ app", "hunter2", "sudo mysql -u root -p*** app", nil},
		{"docker", "docker login -u ann -p § registry.example.com", "hunter2", "docker login -u ann -p *** registry.example.com", nil},
		{"curl -u", `curl -u "ann:§" https://x`, "hunter 2", `curl -u "ann:***" https://x`, nil},
		{"comparison", `[ "$PASSWORD" = "§" ] && echo yes`, "hunter2", `[ "$PASSWORD" = "***" ] && echo yes`, nil},
		{"rows", "cat <<E\nTOKEN=§\nE", "hunter2", "cat <<E\nTOKEN=***\nE", nil},
		{"unicode around", "écho «npm_§» ünd", checked(), "écho «npm_***» ünd", []string{"npm access token"}},
	} {
		if strings.Contains(c.line, "§") == (c.secret == "") {
			t.Fatalf("%s: the case is wrong", c.name)
		}
		got, kinds := Line(strings.ReplaceAll(c.line, "§", c.secret))
		if strings.Contains(got, c.secret) || got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, hidden(got, c.secret), c.want)
		}
		if !slices.Equal(kinds, c.kinds) {
			t.Errorf("%s: reported %q, want %q", c.name, kinds, c.kinds)
		}
		if again, kinds := Line(got); again != got || len(kinds) > 0 {
			t.Errorf("%s: masked again: %q, reported %q", c.name, again, kinds)
		}
	}
}

// hidden keeps even the made-up secrets out of the test's output.
func hidden(s, secret string) string { return strings.ReplaceAll(s, secret, "«SECRET»") }

// TestLineLeavesAlone is for lines that hold no secret: not one byte changes.
func TestLineLeavesAlone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"", "ls -la", "git commit -m 'add token handling'", "npm run build --workspaces", "cd ~/src/npm_lifecycle_event",
		"export NPM_TOKEN=$TOKEN", "export NPM_TOKEN=${TOKEN}", `NPM_TOKEN="$(cat ~/.npmrc | cut -d= -f2)" npm publish`, "export T_TOKEN=`pass npm`",
		`curl -H "Authorization: Bearer $TOKEN" https://x`, `curl -H "Authorization: Bearer ${GH_TOKEN}" x`, `curl -H "PRIVATE-TOKEN: $(pass gl)" x`,
		"echo '//registry.example.com/:_authToken=${NPM_TOKEN}' >> .npmrc", "npm config set //registry.example.com/:_authToken '${NPM_TOKEN}'",
		`npm_config_registry=http://127.0.0.1:4873/ npm publish`, "docker run -p 8080:80 -u 1000:1000 x", "docker login --password-stdin registry.example.com",
		"TOKENIZERS_PARALLELISM=false python x.py", "tool --max-tokens=4096", "tool --token --verbose", "npm token list", "gh auth token", "npm run token:refresh",
		"git clone git@github.com:a/b.git", "npm i --registry http://localhost:4873/@scope/x", "docker build --secret id=npmrc,src=.npmrc .",
		"set NPM_TOKEN %NPM_TOKEN%", "git show 0123456789abcdef0123456789abcdef01234567", "tool --password <password>", `tool --password="<password>"`,
		"ssh -p 22 host", "mkdir -p a/b", "PWD=/home/ann OLDPWD=/ x", "kubectl get secret db", "SSH_AUTH_SOCK=/run/x ssh-add -l", `fish -c "set x (date)"`,
		"PRIMARY_KEY=id ./migrate", "export TOKEN=", "TOKEN= npm publish", "echo $TOKEN=", "curl https://example.com:8080/a@b", "npm i sk-something-with-a-long-name", "sk-learn pul- hf_hub_download sk_ s.length",
		"${{ secrets.NPM_TOKEN }}", `x --token "${{ secrets.NPM_TOKEN }}"`, "sha256sum x | grep e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if got, kinds := Line(line); got != line || len(kinds) > 0 {
			t.Errorf("Line(%q) = %q, %q", line, got, kinds)
		}
	}
}

func TestNotReported(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"NPM_TOKEN=YOUR_TOKEN npm publish", "NPM_TOKEN=npm_XXXXXXXX", "NPM_TOKEN=00000000-0000-0000-0000-000000000000 x",
		"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY x", "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"ghp_" + strings.Repeat("a", 36), "ghp_1234567890abcdefghijklmnopqrstuvwxyz", "github_pat_" + strings.Repeat("x", 82), "glpat-xxxxxxxxxxxxxxxxxxxx",
		"export PASSWORD=hunter2", "AIza" + strings.Repeat("A", 35), "sk-ant-api03-" + strings.Repeat("x", 93) + "AA", "hf_" + strings.Repeat("x", 34),
		"glpat-abcdefghij1029384756", "dop_v1_" + strings.Repeat("0f1e", 16), "glpat-EXAMPLE-4k7Wq2Zx9b", "sk_live_Your4k7Wq2Zx9bTTk3",
	} {
		if got, kinds := Line(line); len(kinds) > 0 || got == line {
			t.Errorf("Line(%q) = %q, reported %q, want it masked and not reported", line, got, kinds)
		}
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	secret := checked()
	for _, c := range []struct {
		name       string
		args, want []string // § is the secret
	}{
		{"nothing", []string{"node", "/usr/bin/npm", "run", "build"}, []string{"node", "/usr/bin/npm", "run", "build"}},
		{"token", []string{"npm", "config", "set", "//r/:_authToken", "npm_§"}, []string{"npm", "config", "set", "//r/:_authToken", "npm_***"}},
		{"next word", []string{"npm", "publish", "--otp", "§", "--tag", "next"}, []string{"npm", "publish", "--otp", "***", "--tag", "next"}},
		{"a password with blanks", []string{"tool", "--password", "a § b"}, []string{"tool", "--password", "***"}},
		{"the same with =", []string{"tool", "--password=a § b"}, []string{"tool", "--password=***"}},
		{"an assignment with blanks", []string{"env", "TOKEN=a § b", "npm"}, []string{"env", "TOKEN=***", "npm"}},
		{"a line for a shell", []string{"sh", "-c", "TOKEN=§ npm publish --tag next"}, []string{"sh", "-c", "TOKEN=*** npm publish --tag next"}},
		{"a header", []string{"curl", "-H", "Authorization: Bearer a§ b"}, []string{"curl", "-H", "Authorization: Bearer ***"}},
		{"user", []string{"curl", "-sS", "-u", "ann:§", "x"}, []string{"curl", "-sS", "-u", "ann:***", "x"}},
		{"glued", []string{"/usr/bin/mysql", "-p§"}, []string{"/usr/bin/mysql", "-p***"}},
		{"setting", []string{"aws", "configure", "set", "aws_secret_access_key", "§"}, []string{"aws", "configure", "set", "aws_secret_access_key", "***"}},
		{"address", []string{"git", "clone", "https://a:§@h/x"}, []string{"git", "clone", "https://a:***@h/x"}},
		{"no value", []string{"tool", "--token", "--x"}, []string{"tool", "--token", "--x"}},
		{"query", []string{"curl", "https://h/?access_token=§&x=1"}, []string{"curl", "https://h/?access_token=***&x=1"}},
		{"a whole line as title", []string{"npm publish --otp=§ --tag x"}, []string{"npm publish --otp=*** --tag x"}},
	} {
		in := make([]string, len(c.args))
		for i, a := range c.args {
			in[i] = strings.ReplaceAll(a, "§", secret)
		}
		kept := slices.Clone(in)
		got := Args(in)
		if d := cmp.Diff(got, c.want); d != "" {
			t.Errorf("%s: (-got +want)\n%s", c.name, hidden(d, secret))
		}
		if !slices.Equal(in, kept) {
			t.Errorf("%s: the arguments that were given have changed", c.name)
		}
		if again := Args(got); !slices.Equal(again, got) {
			t.Errorf("%s: masked again: %q", c.name, again)
		}
	}
	if got := Args(nil); got != nil {
		t.Errorf("Args(nil) = %q", got)
	}
}

// TestLinear: the agent masks what a hostile process puts into its arguments.
// Each of these took the square of its length once.
func TestLinear(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"npm_", "TOKEN=", "a_key:", "T_TOKEN=$(", "://", "-----BEGIN PRIVATE KEY-----", "AKIAAAAAAAAAAAAAAAAA ", "--token ",
		`TOKEN="`, "TOKEN='", "TOKEN=`", `TOKEN=\"`, "curl -u ", "set A_TOKEN ", "x -p", "${TOKEN:-", "Authorization:", "eyJ", "sk-", "\"TOKEN=", "TOKEN=<"} {
		long := strings.Repeat(unit, 256<<10/len(unit))
		began := time.Now()
		Line(long)
		Args([]string{"x", long})
		took := time.Since(began)
		t.Logf("%q: %v", unit, took)
		if took > 20*time.Second { // it takes 0.5 s at most; the square of the length takes minutes
			t.Errorf("256 KiB of %q take %v", unit, took)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "npm publish", `sh -c "TOKEN=\"§\" x"`, "TOKEN=a'§'", "--password § x", "https://u:§@h", "a=$(b) ${T:-§} `c`", "Authorization: Basic §", "\xff\xfe=§", "(§)", `{"auth": "§"}`} {
		f.Add(s)
	}
	secret := checked()
	f.Fuzz(func(t *testing.T, line string) {
		for _, s := range []string{line, strings.ReplaceAll(line, "§", "npm_"+secret), line + " npm_" + secret, "T_TOKEN='" + secret + "' " + line} {
			got, _ := Line(s)
			if strings.Contains(got, secret) {
				t.Fatalf("a secret survives in %q", hidden(got, secret))
			}
			if again, _ := Line(got); again != got {
				t.Fatalf("masked twice: %q, then %q", hidden(got, secret), hidden(again, secret))
			}
			if utf8.ValidString(s) && !utf8.ValidString(got) {
				t.Fatalf("no longer UTF-8: %q", hidden(got, secret))
			}
			args := Args([]string{"sh", s, "-c", s, "--token", s})
			if strings.Contains(strings.Join(args, " "), secret) {
				t.Fatalf("a secret survives in the arguments")
			}
		}
	})
}

func BenchmarkArgs(b *testing.B) {
	args := []string{"node", "/usr/local/lib/node_modules/npm/bin/npm-cli.js", "install", "--no-audit", "--registry=http://127.0.0.1:4873/", "lodash@4.17.21"}
	b.ReportAllocs()
	for range b.N {
		Args(args)
	}
}

func BenchmarkLine(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		Line("git commit -am 'handle the empty case' && npm run build --workspaces -- --mode=production")
	}
}
