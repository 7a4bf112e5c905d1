package publish

import "strings"

// Command returns which of its commands the client ("npm" or "pnpm") runs when
// it is given args, the words after it, and the value of --userconfig. npm's
// abbreviations are resolved to a name or an alias ("c" for config); "" if there
// is no command.
func Command(client string, args []string) (command string, words []string, userconfig string) {
	o := npmOptions
	if client == "pnpm" {
		o = pnpmOptions
	}
	words, flags := o.parse(args)
	userconfig, _ = flags.last("userconfig")
	if len(words) == 0 {
		return "", nil, userconfig
	}
	command = words[0]
	if client == "npm" {
		command = npmCommand(command)
	}
	return strings.ToLower(command), words[1:], userconfig
}
