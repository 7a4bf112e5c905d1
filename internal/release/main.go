// Command release makes what is published of one commit: packages, archives,
// lists of what is in the programs, sums, signatures and the static files of
// package repositories. `make packages` runs it; docs/release.md says how a
// release is made and checked.
//
// It builds from a clone, so that what lies about in a work tree gets into no
// package, takes every time from the commit, and asks no network but the one
// that the Go toolchain asks for modules. The product never links it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

// run executes one command line. "pages DIR" writes man pages and completions:
// a release runs that in its clone, so that they are the commit's own.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == "pages" {
		return writePages(args[1])
	}
	o := Options{Log: out}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&o.Repo, "repo", ".", "build the commit that is checked out in `DIR`")
	flags.StringVar(&o.Version, "version", "", "build it as `VERSION`: 1.2.3, or 1.2.3-rc.1, -beta.1, -alpha.1 (default: what the commit's tag says)")
	flags.StringVar(&o.Out, "out", "dist", "write to `DIR`, which is emptied first")
	targets := flags.String("targets", "", "build only for these, as linux/amd64,darwin/arm64 (default: all)")
	flags.StringVar(&o.Base, "base", os.Getenv("RELEASE_BASE"), "have install.sh take the files from `URL` if it is not told (RELEASE_BASE)")
	flags.StringVar(&o.Previous, "previous", os.Getenv("PREVIOUS"), "keep the packages of earlier versions in `DIR` in the repositories, so that a machine can go back (PREVIOUS)")
	check := flags.Bool("check", false, "build twice, in different folders and with different caches, and compare every byte; writes nothing")
	flags.StringVar(&o.Keys.SSH, "ssh-key", os.Getenv("SIGN_SSH_KEY"), "sign the sums with the SSH key in `FILE` (SIGN_SSH_KEY)")
	flags.StringVar(&o.Keys.PGP, "pgp-key", os.Getenv("SIGN_PGP_KEY"), "sign sums, rpm packages and repositories with the OpenPGP secret key in `FILE` (SIGN_PGP_KEY)")
	flags.StringVar(&o.Keys.APK, "apk-key", os.Getenv("SIGN_APK_KEY"), "sign apk packages with the RSA key in `FILE` (SIGN_APK_KEY)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("no argument %q is known", flags.Arg(0))
	}
	var err error
	if o.Targets, err = parseTargets(*targets); err != nil {
		return err
	}
	if *check {
		return Check(ctx, o)
	}
	return Make(ctx, o)
}
