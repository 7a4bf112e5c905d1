package api

import "wormbell"

// over reports whether it is certain that none of an alert's processes runs any
// more. Of a closed one it is not asked: nobody freezes that.
func (s *Server) over(a wormbell.Alert) bool {
	if s.Living == nil || a.State == wormbell.Closed || a.Frozen() {
		return false
	}
	roots, err := s.Store.Processes(a.ID)
	if err != nil || len(roots) == 0 {
		return false
	}
	for _, root := range roots {
		if len(s.Living(root)) > 0 {
			return false
		}
	}
	return true
}
