package sessiontest

import (
	"encoding/json"
	"net/http"
)

// registerConnection hands out a connection id.
func (s *Server) registerConnection(w http.ResponseWriter, _ *http.Request, x *session) {
	id, err := x.mint()
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	tracks := object{}
	for _, t := range s.model.Tracks {
		direction, rate := "out", 0.0
		if t.Direction == SendOnly {
			direction = "in"
		}
		if t.Kind == Audio {
			rate = 48000
		}
		tracks[t.Name] = object{"kind": string(t.Kind), "direction": direction, "rate": rate}
	}
	answer(w, http.StatusCreated, object{"connection_id": id, "track_map": tracks})
}

// offerBody is the body of an offer.
type offerBody struct {
	Offer      *string         `json:"sdp_offer"`
	Mapping    []trackMapping  `json:"track_mapping"`
	ICEServers *[]iceServerRef `json:"ice_servers"`
}

// iceServerRef is a STUN or TURN server on the wire.
type iceServerRef struct {
	URIs        []string `json:"uris"`
	Credentials *struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"credentials"`
}

// offer reads the body; it reports what is missing, and whether the track
// mapping says anything that there is no such thing as.
func (b offerBody) offer(configured []ICEServer) (o offer, faults []violation, absurd bool) {
	if b.Offer == nil {
		return o, []violation{missing("sdp_offer")}, false
	}
	o = offer{sdp: *b.Offer, mapping: b.Mapping, iceServers: configured}
	if b.ICEServers != nil {
		o.iceServers = nil
		for _, ref := range *b.ICEServers {
			server := ICEServer{URLs: ref.URIs}
			if ref.Credentials != nil {
				server.Username, server.Password = ref.Credentials.Username, ref.Credentials.Password
			}
			o.iceServers = append(o.iceServers, server)
		}
	}
	for _, m := range b.Mapping {
		if m.MID == "" || m.Name == "" {
			return o, []violation{missing("track_mapping")}, false
		}
		if Kind(m.Kind) != Video && Kind(m.Kind) != Audio || Direction(m.Direction) != RecvOnly && Direction(m.Direction) != SendOnly {
			return o, nil, true
		}
	}
	return o, nil, false
}

// putOffer takes an offer, first or renewed, and negotiates in the background.
func (s *Server) putOffer(w http.ResponseWriter, r *http.Request, x *session, id uint32) {
	var body offerBody
	if !decode(w, r, &body) {
		return
	}
	o, faults, absurd := body.offer(s.cfg.ICEServers)
	switch {
	case len(faults) > 0:
		violate(w, faults...)
		return
	case absurd:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	if status, detail := x.accept(id, o); status != http.StatusAccepted {
		refuse(w, status, detail)
		return
	}
	answer(w, http.StatusAccepted, object{"connection_id": id})
}

// accept begins a negotiation, if the session has room for it.
func (x *session) accept(id uint32, o offer) (status int, detail string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.state == stateClosing:
		return http.StatusBadRequest, "No session running"
	case x.connections[id] == nil && x.negotiations[id] == nil && x.peers() >= maxConnections:
		return http.StatusServiceUnavailable, "Connection limit reached"
	}
	x.connect(id, o)
	return http.StatusAccepted, ""
}

// peers counts the ids that are negotiating or live. x.mu is held.
func (x *session) peers() int {
	n := len(x.connections)
	for id := range x.negotiations {
		if x.connections[id] == nil {
			n++
		}
	}
	return n
}

// publishAnswer leaves an answer to be fetched, unless another offer came.
func (x *session) publishAnswer(c *connection, sdp string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.negotiations[c.id] != c {
		return false
	}
	x.answers[c.id] = sdp
	x.note(eventAnswered, object{"conn_id": c.id, "answer": object{"type": "answer", "sdp": sdp}})
	return true
}

// getAnswer hands out the answer, once; before and after it is pending.
func (s *Server) getAnswer(w http.ResponseWriter, _ *http.Request, x *session, id uint32) {
	x.mu.Lock()
	sdp, there := x.answers[id]
	delete(x.answers, id)
	x.mu.Unlock()
	if !there {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	answer(w, http.StatusOK, object{"sdp_answer": sdp, "connection_id": id})
}

// addCandidates takes the client's candidates, before or after the offer.
func (s *Server) addCandidates(w http.ResponseWriter, r *http.Request, x *session, id uint32) {
	var body struct {
		Candidates *[]json.RawMessage `json:"candidates"`
	}
	if !decode(w, r, &body) {
		return
	}
	if body.Candidates == nil {
		violate(w, missing("candidates"))
		return
	}
	batch := make([]candidate, len(*body.Candidates))
	for i, raw := range *body.Candidates {
		if err := json.Unmarshal(raw, &batch[i]); err != nil {
			violate(w, violation{Type: "type_error", Loc: []any{"body", "candidates", i}, Msg: "Input should be a valid candidate"})
			return
		}
	}
	x.takeCandidates(id, batch)
	w.WriteHeader(http.StatusAccepted)
}

func (x *session) takeCandidates(id uint32, batch []candidate) {
	x.mu.Lock()
	c := x.negotiations[id]
	if c == nil {
		c = x.connections[id]
	}
	if c == nil || c.superseded {
		x.keepCandidates(id, batch)
		x.mu.Unlock()
		return
	}
	x.mu.Unlock()
	for _, cand := range batch {
		c.addCandidate(cand)
	}
}

// keepCandidates holds candidates for an offer to come. x.mu is held.
func (x *session) keepCandidates(id uint32, batch []candidate) {
	kept, known := x.candidates[id]
	if !known && len(x.candidates) >= maxEarlyIDs {
		return
	}
	room := max(0, maxCandidates-len(kept))
	x.candidates[id] = append(kept, batch[:min(len(batch), room)]...)
}
