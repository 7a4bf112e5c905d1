// Dropper is what a worm leaves in a home: a program that has wormbell list the
// person's tokens, behind a proxy that it knows, or trust it from now on.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	os.Setenv("HTTPS_PROXY", os.Getenv("PROXY"))
	os.Setenv("SSL_CERT_FILE", os.Getenv("CA"))
	program, socket := os.Getenv("W"), os.Getenv("S")
	how := ""
	if len(os.Args) > 1 {
		how = os.Args[1]
	}
	args := []string{program, "--socket", socket, "tokens"}
	switch how {
	case "becomes", "shim":
		// The agent has seen us once it was asked, however busy it is. Nothing is
		// read for this.
		exec.Command(program, "--socket", socket, "exec", "--", "true").Run()
		if how == "shim" {
			program, args = "/bin/sh", []string{"sh", os.Getenv("HOME") + "/.local/share/wormbell/shims/npm"}
		}
		fmt.Println(syscall.Exec(program, args, os.Environ()))
		os.Exit(1)
	case "terminal":
		args = []string{"script", "-qec", program + " --socket " + socket + " tokens", "/dev/null"}
	case "trust":
		args = []string{"script", "-qec", program + " --socket " + socket + " trust add --store npm --who exe:" + os.Args[0] + " --reason mine", "/dev/null"}
	case "silent":
		args[2] = "/nonexistent"
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
	}
}
