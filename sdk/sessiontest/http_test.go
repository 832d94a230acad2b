package sessiontest_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLocalDescriptor(t *testing.T) {
	m := brightness()
	m.Tracks = append(m.Tracks, sessiontest.Track{Name: "webcam", Direction: sessiontest.SendOnly}, sessiontest.Track{Name: "main_audio", Kind: sessiontest.Audio})
	srv := sessiontest.New(t, m)
	var got map[string]any
	want(t, 200, &got, "POST", srv.URL()+"/start_session", "{}")
	var doc map[string]any
	if err := json.Unmarshal([]byte(`{
		"session_id": "00000000-0000-0000-0000-000000000000", "state": "waiting", "cluster": "local",
		"model": {"name": "brightness"}, "server_info": {"server_version": "3.10.0"},
		"selected_transport": {"protocol": "webrtc", "version": "1.0"}, "transports": [{"protocol": "webrtc", "version": "1.0"}],
		"recording": {"enabled": false, "chunk_seconds": 4}, "step_results": {"enabled": false}, "generation": "streamed",
		"capabilities": {"protocol_version": "v0", "commands": [], "tracks": [
			{"name": "webcam", "kind": "video", "direction": "sendonly"},
			{"name": "main_video", "kind": "video", "direction": "recvonly"},
			{"name": "main_audio", "kind": "audio", "direction": "recvonly"}]}}`), &doc); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, got); diff != "" {
		t.Error(diff)
	}
}

func TestLocalRefusals(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	sessions := "/sessions/" + localID
	signalling := sessions + "/transport/webrtc"
	tests := []struct {
		name, method, path, body string
		status                   int
		want                     string // part of the body
	}{
		{"second start", "POST", "/start_session", "{}", 409, `{"detail":"cannot start session while waiting"}`},
		{"stepped", "POST", "/start_session", `{"generation":"stepped"}`, 400, "generation 'stepped' needs a model"},
		{"unknown mode", "POST", "/start_session", `{"generation":"x"}`, 400, `generation must be one of 'streamed', 'stepped', not 'x'`},
		{"no object", "POST", "/start_session", "[]", 422, `"loc":["body"]`},
		{"long reason", "POST", "/stop_session", asJSON(t, map[string]string{"reason": strings.Repeat("x", 65)}), 422, `"loc":["body","reason"]`},
		{"unknown session", "GET", "/sessions/nope/transport/webrtc/ice_servers", "", 404, `{"detail":"Unknown session"}`},
		{"no ice servers", "GET", signalling + "/ice_servers", "", 200, `{"ice_servers":[]}`},
		{"id too small", "GET", signalling + "/connections/7/sdp_params", "", 422, "greater_than_equal"},
		{"id too big", "GET", signalling + "/connections/10000/sdp_params", "", 422, "less_than_equal"},
		{"id no number", "GET", signalling + "/connections/x/sdp_params", "", 422, "int_parsing"},
		{"never offered", "GET", signalling + "/connections/1001/sdp_params", "", 202, ""},
		{"offer without sdp", "POST", signalling + "/connections/1001/sdp_params", "{}", 422, `"loc":["body","sdp_offer"]`},
		{"absurd mapping", "POST", signalling + "/connections/1001/sdp_params", `{"sdp_offer":"v=0","track_mapping":[{"mid":"0","name":"a","kind":"video","direction":"up"}]}`, 500, "Internal Server Error"},
		{"broken offer", "POST", signalling + "/connections/1001/sdp_params", `{"sdp_offer":"v=0"}`, 202, `{"connection_id":1001}`},
		{"early candidates", "POST", signalling + "/connections/1002/ice_candidates", `{"candidates":[{"candidate":"candidate:1 1 udp 1 192.0.2.2 4 typ host","sdp_mid":"0"}]}`, 202, ""},
		{"final candidates", "POST", signalling + "/connections/1002/ice_candidates", `{"candidates":[],"is_final":true}`, 202, ""},
		{"no candidates", "POST", signalling + "/connections/1002/ice_candidates", `{}`, 422, `"candidates"`},
		{"upload without name", "POST", sessions + "/uploads", `{"name":"","size":1,"mime_type":"a"}`, 400, `{"detail":"name is required"}`},
		{"upload without size", "POST", sessions + "/uploads", `{"name":"a","mime_type":"a"}`, 422, `"loc":["body","size"]`},
		{"empty upload", "POST", sessions + "/uploads", `{"name":"a","size":0,"mime_type":"a"}`, 400, `{"detail":"size must be \u003e 0"}`},
		{"unknown upload", "PUT", "/uploads/nope", "x", 404, `{"detail":"Upload not found"}`},
		{"clips", "GET", "/clips?session_id=x&start=0&end=1", "", 410, "Recording unknown or aged out"},
		{"no such path", "GET", "/nope", "", 404, `{"detail":"Not Found"}`},
		{"health", "GET", "/health", "", 200, `"state":"serving"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := request(t, tt.method, srv.URL()+tt.path, tt.body)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestLocalLife(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	steps := []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/session", 200, `"state":"ready"`},
		{"POST", "/stop_session", 409, `{"detail":"cannot stop session while ready"}`},
		{"GET", "/sessions/" + localID + "/transport/webrtc/ice_servers", 400, `{"detail":"No session running"}`},
		{"POST", "/start_session", 200, `"state":"waiting"`},
		{"POST", "/stop_session", 200, ""},
	}
	for range 3 {
		for _, s := range steps {
			status, _, body := request(t, s.method, srv.URL()+s.path, "")
			if status != s.status || !strings.Contains(body, s.want) {
				t.Errorf("%s %s: got %d %s, want %d %s", s.method, s.path, status, body, s.status, s.want)
			}
		}
		for {
			if _, _, body := request(t, "GET", srv.URL()+"/session", ""); strings.Contains(body, "ready") {
				break
			}
		}
	}
}

func TestCloud(t *testing.T) {
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: brightness(), APIKey: "rk_test", Provisioning: 50 * time.Millisecond, MaxSessions: 2})
	url := srv.URL()
	mint := func(body string) string {
		var token struct {
			JWT     string `json:"jwt"`
			Expires int64  `json:"expires_at"`
		}
		want(t, 200, &token, "POST", url+"/tokens", body, "Reactor-API-Key", "rk_test")
		return "Bearer " + token.JWT
	}
	const create = `{"model":{"name":"reactor/brightness"}}`
	want(t, 401, nil, "POST", url+"/tokens", "null", "Reactor-API-Key", "rk_wrong")
	want(t, 401, nil, "POST", url+"/sessions", create)
	creator := mint(`{"authorization_details":[{"type":"session","resources":{"models":{"match":["reactor/brightness"]}}}]}`)
	want(t, 404, nil, "POST", url+"/sessions", `{"model":{"name":"acme/other"}}`, "Authorization", creator)
	var s struct {
		ID           string `json:"session_id"`
		State        string
		Capabilities *struct{}
	}
	want(t, 201, &s, "POST", url+"/sessions", create, "Authorization", creator)
	session := url + "/sessions/" + s.ID
	want(t, 200, &s, "GET", session, "", "Authorization", creator)
	if s.State != "PENDING" || s.Capabilities != nil {
		t.Errorf("ready at once: %+v", s)
	}
	for s.Capabilities == nil {
		want(t, 200, &s, "GET", session, "", "Authorization", creator)
	}
	other := mint(`{"authorization_details":[{"type":"session","resources":{"models":{"match":["reactor/brightness"]}}}]}`)
	adopter := mint(`{"authorization_details":[{"type":"session","resources":{"models":{"all":true},"sessions":{"bind":["` + s.ID + `"]}}}]}`)
	want(t, 403, nil, "GET", session, "", "Authorization", other)
	want(t, 200, nil, "GET", session, "", "Authorization", adopter)
	want(t, 403, nil, "POST", url+"/sessions", create, "Authorization", adopter)
	want(t, 201, nil, "POST", url+"/sessions", create, "Authorization", other)
	want(t, 429, nil, "POST", url+"/sessions", create, "Authorization", other)
	want(t, 401, nil, "GET", session+"/transport/webrtc/ice_servers", "")
	c := connect(t, srv, clientConfig{session: s.ID, token: strings.TrimPrefix(adopter, "Bearer "), tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	c.frame("main_video")
	want(t, 204, nil, "DELETE", session, "", "Authorization", creator)
	c.wait(c.lost, "end of the connection")
	want(t, 200, &s, "GET", session, "", "Authorization", creator)
	if s.State != "CLOSED" {
		t.Errorf("got state %s", s.State)
	}
	want(t, 404, nil, "DELETE", url+"/sessions/nope", "", "Authorization", creator)
}

func TestTokenLimitsTheSession(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	want(t, 400, nil, "POST", srv.URL()+"/tokens", `{"authorization_details":[{"constraints":{"max_session_duration_seconds":86401}}]}`, "Reactor-API-Key", "k")
	var token struct{ JWT string }
	want(t, 200, &token, "POST", srv.URL()+"/tokens", `{"authorization_details":[{"resources":{"models":{"match":["m"]}},"constraints":{"max_session_duration_seconds":1}}]}`, "Reactor-API-Key", "k")
	want(t, 403, nil, "POST", srv.URL()+"/sessions", `{"model":{"name":"brightness"}}`, "Authorization", "Bearer "+token.JWT)
}

func TestFaults(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	srv.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 429, RetryAfter: "7", Times: 1})
	srv.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 503, Body: `{"oops":1}`, Times: 2})
	srv.Fail(sessiontest.RouteStart, sessiontest.Fault{Delay: time.Millisecond, Times: 1})
	wants := []struct {
		status     int
		retryAfter string
		body       string
	}{
		{429, "7", `{"detail":"Too Many Requests"}`}, {503, "", `{"oops":1}`}, {503, "", `{"oops":1}`}, {200, "", `"state":"waiting"`},
	}
	for _, w := range wants {
		status, header, body := request(t, "POST", srv.URL()+"/start_session", "{}")
		if status != w.status || header.Get("Retry-After") != w.retryAfter || !strings.Contains(body, w.body) {
			t.Errorf("got %d %q %s, want %+v", status, header.Get("Retry-After"), body, w)
		}
	}
	srv.Fail(sessiontest.RouteStop, sessiontest.Fault{Status: 500})
	want(t, 500, nil, "POST", srv.URL()+"/stop_session", "")
	srv.Heal(sessiontest.RouteStop)
	want(t, 200, nil, "POST", srv.URL()+"/stop_session", "")
}

func TestSchemaIsReadByTheSDK(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	status, _, body := request(t, "GET", srv.URL()+"/schema", "")
	if status != 200 {
		t.Fatalf("got %d", status)
	}
	s, err := sdk.ParseSchema(json.RawMessage(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args map[string]any
		want string
	}{
		{map[string]any{"brightness": 1}, ""},
		{map[string]any{"brightness": 9}, `command "set_brightness": brightness: 9 is above the maximum of 2`},
	} {
		got := ""
		if err := s.Check("set_brightness", tt.args, nil); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if c, _ := s.Command("set_brightness"); c.Reply != "BrightnessSet" {
		t.Errorf("got reply %q", c.Reply)
	}
}

func FuzzHTTP(f *testing.F) {
	for _, seed := range []struct{ method, path, body string }{
		{"POST", "/start_session", `{"generation":"stepped"}`},
		{"POST", "/start_session", `{"steps":3,"session_id":"r","starting_input":[{"command":"set_paused","data":{"paused":true}}]}`},
		{"GET", "/clips", ``},
		{"POST", "/_say/tick", `{"n":1}`},
		{"POST", "/stop_session", `{"moderate":true,"reason":"x"}`},
		{"POST", "/tokens", `{"authorization_details":[{"resources":{"models":{"all":true},"sessions":{"bind":["x"]}}}]}`},
		{"POST", "/sessions", `{"model":{"name":"brightness"},"extra_configs":{"generation":"stepped"}}`},
		{"POST", "/sessions/" + localID + "/uploads", `{"name":"a","size":3,"mime_type":"b"}`},
		{"POST", "/sessions/" + localID + "/transport/webrtc/connections/1001/sdp_params", `{"sdp_offer":"v=0","track_mapping":[],"ice_servers":[{"uris":["stun:x"]}]}`},
		{"POST", "/sessions/" + localID + "/transport/webrtc/connections/1001/ice_candidates", `{"candidates":[{"candidate":"candidate:","sdp_mline_index":1}]}`},
	} {
		f.Add(seed.method, seed.path, seed.body)
	}
	m := brightness()
	m.Tracks = nil
	srv, err := sessiontest.Serve(f.Context(), sessiontest.Config{Model: m})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(srv.Close)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path+method, " \r\n\t\x00?#%") || method == "" {
			return
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL.Path, r.RequestURI = method, path, path
		r.Header.Set("Authorization", "Bearer "+srv.Token())
		srv.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 503 && !strings.Contains(body, "track_mapping") {
			t.Errorf("%s %s %s: %d", method, path, body, w.Code)
		}
	})
}
