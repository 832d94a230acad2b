package sessiontest

import (
	"encoding/json"
	"io"
	"net/http"
)

// getTrouble, putTrouble and deleteTrouble let a program from outside make a
// [Trouble]; what it does to other routes it does not do to these.
func (s *Server) getTrouble(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.Trouble())
}

func (s *Server) putTrouble(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "body too large")
		return
	}
	var t Trouble
	if err = json.Unmarshal(b, &t); err == nil {
		err = s.SetTrouble(t)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, s.Trouble())
}

func (s *Server) deleteTrouble(w http.ResponseWriter, _ *http.Request) {
	if err := s.SetTrouble(Trouble{}); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// makeTrouble has an [Incident] happen; an end may have a ?reason=.
func (s *Server) makeTrouble(w http.ResponseWriter, r *http.Request) {
	if err := s.Happen(Incident(r.PathValue("incident")), r.URL.Query().Get("reason")); err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// sayMessage broadcasts a message of the model, whose data is the body.
func (s *Server) sayMessage(w http.ResponseWriter, r *http.Request) {
	data := map[string]any{}
	if !decode(w, r, &data) {
		return
	}
	s.Broadcast(r.PathValue("type"), data)
	w.WriteHeader(http.StatusNoContent)
}
