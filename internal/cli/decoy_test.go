package cli

import (
	"context"
	"fmt"
	"slices"

	"wormbell"
	"wormbell/internal/decoy"
)

// plants are the decoys of an agent in memory.
type plants struct {
	decoys    []wormbell.Decoy
	unplanted error // what planting one is answered with
}

func (s *standIn) Decoys(context.Context) ([]wormbell.Decoy, error) { return s.decoys, nil }
func (s *standIn) PlantDecoy(_ context.Context, d wormbell.Decoy) (wormbell.Decoy, error) {
	if s.unplanted != nil {
		return d, s.unplanted
	}
	d.ID, d.State = fmt.Sprintf("decoy%03d", len(s.decoys)), wormbell.GuardOn
	d.File, _ = decoy.Look(d.Home, d.Path)
	s.decoys = append(s.decoys, d)
	return d, s.note("plant %s %s", d.Kind, d.Path)
}
func (s *standIn) ForgetDecoy(_ context.Context, id string) error {
	if s.refuse != nil {
		return s.refuse
	}
	s.decoys = slices.DeleteFunc(slices.Clone(s.decoys), func(d wormbell.Decoy) bool { return d.ID == id })
	return s.note("forget %s", id)
}
