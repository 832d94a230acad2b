package sessiontest

import (
	"fmt"
	"strings"
)

// Incident is trouble that happens once.
type Incident string

// What may happen.
const (
	IncidentDrop         Incident = "drop"          // [Server.Drop]
	IncidentMute         Incident = "mute"          // [Server.Mute]
	IncidentEnd          Incident = "end"           // [Server.EndSessions], with the reason
	IncidentModerate     Incident = "moderate"      // [Server.Moderate]
	IncidentCrash        Incident = "crash"         // [Server.Crash]
	IncidentRestart      Incident = "restart"       // [Server.Restart]
	IncidentExpireTokens Incident = "expire_tokens" // [Server.ExpireTokens]
)

// incidents are what each of them is to a server, in the order of the list.
func incidents() []struct {
	is Incident
	do func(s *Server, reason string)
} {
	return []struct {
		is Incident
		do func(s *Server, reason string)
	}{
		{IncidentDrop, func(s *Server, _ string) { s.Drop() }},
		{IncidentMute, func(s *Server, _ string) { s.Mute() }},
		{IncidentEnd, func(s *Server, reason string) { s.EndSessions(reason) }},
		{IncidentModerate, func(s *Server, _ string) { s.Moderate() }},
		{IncidentCrash, func(s *Server, _ string) { s.Crash() }},
		{IncidentRestart, func(s *Server, _ string) { s.Restart() }},
		{IncidentExpireTokens, func(s *Server, _ string) { s.ExpireTokens() }},
	}
}

// Incidents are all that may happen.
func Incidents() []Incident {
	var all []Incident
	for _, i := range incidents() {
		all = append(all, i.is)
	}
	return all
}

// Validate says that there is no such incident.
func (i Incident) Validate() error {
	var names []string
	for _, known := range incidents() {
		if known.is == i {
			return nil
		}
		names = append(names, string(known.is))
	}
	return fmt.Errorf("no such trouble as %q; there are %s", string(i), strings.Join(names, ", "))
}

// Happen has an incident happen. The reason is that of an end.
func (s *Server) Happen(i Incident, reason string) error {
	if err := i.Validate(); err != nil {
		return err
	}
	for _, known := range incidents() {
		if known.is == i {
			known.do(s, reason)
		}
	}
	return nil
}
