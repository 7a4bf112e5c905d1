//go:build !linux

package watchers

import (
	"context"

	"wormbell"
	"wormbell/internal/stores"
)

// runCredentials says that it sees nothing. Polling would be no help: times of
// access are kept coarsely or not at all, and they name nobody.
func runCredentials(ctx context.Context, host Host, out Out) error {
	const why = "credential reads are not seen on this system yet"
	on, list := planGuards(host.Homes, stores.All, host.Stores)
	for i := range on {
		list = append(list, on[i].guarded(on[i].path, wormbell.GuardNot, why))
	}
	sortGuarded(list)
	out.Guards(list)
	out.Sees("", false, why)
	<-ctx.Done()
	return nil
}
