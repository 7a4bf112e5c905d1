// Package fanotify wraps the kernel's fanotify groups, see fanotify(7): one
// kind holds openers until they are answered, another reports names.
//
// It knows files by their identity only: nothing of homes, credentials or the
// project's events.
package fanotify
