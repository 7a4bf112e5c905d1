//go:build !linux

package freeze

import "context"

func tree(context.Context, Config, Action) (Report, error) { return Report{}, ErrNotAvailable }
