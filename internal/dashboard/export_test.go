package dashboard

// At is the path below which pages are served; no page outside of a session
// says it.
func (s *Server) At() string { return s.gate.at() }
