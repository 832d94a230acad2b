package sim

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// Incident is trouble that happens once.
type Incident struct {
	What   sessiontest.Incident
	Reason string        // of an end, for the clients; none is told if empty
	After  time.Duration // the first client is there
}

// runIncidents has all incidents happen, one after the other, once somebody is
// there.
func (s *Server) runIncidents(ctx context.Context) {
	select {
	case <-s.visited:
	case <-ctx.Done():
		return
	}
	begun := time.Now()
	all := slices.SortedStableFunc(slices.Values(s.cfg.Incidents), func(a, b Incident) int { return cmp.Compare(a.After, b.After) })
	for _, i := range all {
		select {
		case <-time.After(i.After - time.Since(begun)):
		case <-ctx.Done():
			return
		}
		s.cfg.Log.Info("trouble", "what", i.What)
		_ = s.server.Happen(i.What, i.Reason) // Validate has seen it
	}
}
