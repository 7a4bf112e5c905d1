// Package vm gives a test a real machine: a Debian with systemd as PID 1, its
// own kernel, people who sign in, and no way out to any network. What it does
// to it is thrown away.
//
// The machine runs in QEMU, whose processor is software (TCG): no help by the
// hardware is needed, and it is slower than the machine that runs it by the
// factor that [VM.Slowness] measures. So no test may judge times in it.
//
// Its disk is made once, by recipe.sh with debootstrap, from the package source
// that the machine itself has, and kept in [Cache] for whoever asks for the same.
// Without root, or one of the programs (.ci/deps installs them), tests that
// need a machine are skipped, and say why.
//
// It knows nothing of what is tested in it. No program links it.
package vm
