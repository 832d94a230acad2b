package sdk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/pion/webrtc/v4"
)

// signalling is the transport part of a session's HTTP interface.
type signalling struct {
	api    *api
	op     string // the operation it serves, for errors
	prefix string
}

func (s *Session) signalling(op string) signalling {
	return signalling{api: s.api, op: op, prefix: "/sessions/" + url.PathEscape(s.id) + "/transport/webrtc"}
}

type iceServer struct {
	URIs        []string        `json:"uris"`
	Credentials *iceCredentials `json:"credentials,omitempty"`
}

type iceCredentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type trackMapping struct {
	MID       string `json:"mid"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Direction string `json:"direction"`
}

// offer is what is posted to open a connection.
type offer struct {
	SDP     string         `json:"sdp_offer"`
	Mapping []trackMapping `json:"track_mapping"`
	Client  clientInfo     `json:"client_info"`
	// ICEServers replace the server's own; an empty list leaves it its own
	// addresses and spares it the wait for a STUN server.
	ICEServers *[]iceServer `json:"ice_servers,omitempty"`
}

type candidate struct {
	Candidate     string  `json:"candidate"`
	SDPMid        *string `json:"sdp_mid,omitempty"`
	SDPMLineIndex *uint16 `json:"sdp_mline_index,omitempty"`
}

type candidateBatch struct {
	Candidates []candidate `json:"candidates"`
	Final      bool        `json:"is_final"`
	Client     clientInfo  `json:"client_info"`
}

func (g signalling) exchange(hop, method, path string, body, out any) exchange {
	return exchange{op: g.op, hop: hop, method: method, path: g.prefix + path, body: body, out: out, signalling: true}
}

func (g signalling) iceServers(ctx context.Context) ([]iceServer, error) {
	var out struct {
		Servers []iceServer `json:"ice_servers"`
	}
	_, err := g.api.do(ctx, g.exchange("ice servers", http.MethodGet, "/ice_servers", nil, &out))
	return out.Servers, err
}

func (g signalling) register(ctx context.Context) (uint32, error) {
	var out struct {
		ID uint32 `json:"connection_id"`
	}
	_, err := g.api.do(ctx, g.exchange("register connection", http.MethodPost, "/connections", struct{}{}, &out))
	if err == nil && out.ID == 0 {
		err = &Error{Code: CodeDecode, Component: componentAPI, Operation: g.op, Message: "register connection: the answer holds no connection id"}
	}
	return out.ID, err
}

func connectionPath(id uint32, leaf string) string {
	return fmt.Sprintf("/connections/%d/%s", id, leaf)
}

// offer posts an offer; again says that the id has carried a connection before.
func (g signalling) offer(ctx context.Context, id uint32, o offer, again bool) error {
	method := http.MethodPost
	if again {
		method = http.MethodPut
	}
	_, err := g.api.do(ctx, g.exchange("sdp offer", method, connectionPath(id, "sdp_params"), o, nil))
	return err
}

// Bounds of the wait for the answer. A local runtime needs 150 ms; its answer
// waits 3 s for a STUN server that does not answer.
const (
	longAnswerPause = 250 * time.Millisecond
	answerWait      = 15 * time.Second
)

// answer polls for the answer, which is handed out once. The server may name
// another connection id.
func (g signalling) answer(ctx context.Context, id uint32) (sdp string, newID uint32, err error) {
	deadline := time.Now().Add(answerWait)
	for wait := firstLook; ; wait = nextLook(wait, longAnswerPause) {
		var out struct {
			SDP string `json:"sdp_answer"`
			ID  uint32 `json:"connection_id"`
		}
		status, err := g.api.do(ctx, g.exchange("poll sdp answer", http.MethodGet, connectionPath(id, "sdp_params"), nil, &out))
		if err != nil {
			return "", id, err
		}
		if status != http.StatusAccepted {
			if out.SDP == "" {
				return "", id, &Error{Code: CodeDecode, Component: componentAPI, Operation: g.op, Message: "poll sdp answer: the answer is empty"}
			}
			if out.ID != 0 {
				id = out.ID
			}
			return out.SDP, id, nil
		}
		if time.Now().After(deadline) {
			return "", id, gpuErrorf(CodeTimeout, g.op, "timed out: no sdp answer within %s", answerWait)
		}
		if err := pause(ctx, wait, g.op); err != nil {
			return "", id, err
		}
	}
}

// candidates uploads local candidates. The caller may ignore the error: the
// answer carries the server's own candidates.
func (g signalling) candidates(ctx context.Context, id uint32, b candidateBatch) error {
	_, err := g.api.do(ctx, g.exchange("ice candidates", http.MethodPost, connectionPath(id, "ice_candidates"), b, nil))
	return err
}

func toPion(servers []iceServer) []webrtc.ICEServer {
	out := make([]webrtc.ICEServer, 0, len(servers))
	for _, s := range servers {
		p := webrtc.ICEServer{URLs: s.URIs}
		if s.Credentials != nil {
			p.Username, p.Credential = s.Credentials.Username, s.Credentials.Password
		}
		out = append(out, p)
	}
	return out
}

// fromConfig never returns nil: an empty list is a statement.
func fromConfig(servers []ICEServer) []iceServer {
	out := make([]iceServer, 0, len(servers))
	for _, s := range servers {
		i := iceServer{URIs: s.URLs}
		if s.Username != "" || s.Password != "" {
			i.Credentials = &iceCredentials{Username: s.Username, Password: s.Password}
		}
		out = append(out, i)
	}
	return out
}
