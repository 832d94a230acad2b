package sessiontest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

func TestTroubleOverHTTP(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	const body = `{
		"http": {"POST /start_session": [{"status": 429, "retry_after": "7", "times": 1}, {"delay": "1ms", "status": 503}]},
		"messages": {"control": [{"of": "clip_ready", "delay": "2s"}]},
		"network": {"drop": 0.05, "delay": "40ms", "jitter": "10ms", "bandwidth": 1000000},
		"show": "black",
		"clock_skew": "-1h0m0s"
	}`
	_, _, told := request(t, "PUT", srv.URL()+"/_trouble", body)
	var asked, got any
	for text, v := range map[string]*any{body: &asked, told: &got} {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	// The form is the same on the way back, but for how long a time is.
	asked.(map[string]any)["http"].(map[string]any)["POST /start_session"].([]any)[1].(map[string]any)["delay"] = "1ms"
	if diff := cmp.Diff(asked, got); diff != "" {
		t.Error(diff)
	}
	status, header, _ := request(t, "POST", srv.URL()+"/start_session", "{}")
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || status != 429 || time.Since(date) < 50*time.Minute {
		t.Errorf("got %d at %v, %v", status, date, err)
	}
	want(t, 503, nil, "POST", srv.URL()+"/start_session", "{}")
	want(t, 204, nil, "DELETE", srv.URL()+"/_trouble", "")
	want(t, 200, nil, "POST", srv.URL()+"/start_session", "{}")
	want(t, 204, nil, "POST", srv.URL()+"/_trouble/crash", "")
	want(t, 503, nil, "GET", srv.URL()+"/health", "")
	want(t, 204, nil, "POST", srv.URL()+"/_trouble/restart", "")
	want(t, 200, nil, "GET", srv.URL()+"/health", "")
}

func TestMessagesOverHTTP(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{})
	c.ping()
	want(t, 204, nil, "POST", srv.URL()+"/_say/chunk_complete", `{"chunk_index": 3}`)
	if got := describe(t, take(t, c.data, "message")); got != `chunk_complete {"chunk_index":3}` {
		t.Errorf("got %s", got)
	}
	want(t, 422, nil, "POST", srv.URL()+"/_say/chunk_complete", `[3]`)
}

func TestTroubleRefusals(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	for _, tt := range []struct{ body, want string }{
		{`{"htpp": {}}`, `json: unknown field "htpp"`},
		{`{"network": {"drops": 1}}`, `json: unknown field "drops"`},
		{`{"network": "slow"}`, `network: must not be a string`},
		{`{"clock_skew": 5}`, `clock_skew: must not be a number`},
		{`{"http": {"GET /nope": []}}`, `http: "GET /nope" is no route`},
		{`{"http": {"GET /health": [{"status": 7}]}}`, `http: GET /health: status: must be 200 to 599, got 7`},
		{`{"http": {"GET /health": [{"delay": "-1s"}]}}`, `http: GET /health: delay, size, times: must not be negative, got -1s, 0, 0`},
		{`{"messages": {"x": []}}`, `messages: "x" is no channel`},
		{`{"messages": {"control": [{"of": "ack"}]}}`, `messages: control: of: must be one of model_schema, clip_ready, clip_failed, moderation, publish_track, session_ended, error, got "ack"`},
		{`{"messages": {"data": [{"size": -1}]}}`, `messages: data: delay, size, times: must not be negative, got 0s, -1, 0`},
		{`{"network": {"drop": 2}}`, `network: drop: must be 0 to 1, got 2`},
		{`{"network": {"delay": "-1s"}}`, `network: delay: must not be negative, got -1s`},
		{`{"show": "x"}`, `show: must be stopped, still, black or large, got "x"`},
	} {
		var got struct{ Detail string }
		want(t, 400, &got, "PUT", srv.URL()+"/_trouble", tt.body)
		if got.Detail != tt.want {
			t.Errorf("%s: got %q, want %q", tt.body, got.Detail, tt.want)
		}
	}
	want(t, 404, nil, "POST", srv.URL()+"/_trouble/nope", "")
}

func TestAnswersThatAreNone(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	srv.Fail(sessiontest.RouteHealth, sessiontest.Fault{Status: 200, Body: "{", Size: 3 << 20, Times: 1})
	if _, _, body := request(t, "GET", srv.URL()+"/health", ""); len(body) != 3<<20 || body[0] != '{' {
		t.Errorf("got %d bytes", len(body))
	}
	srv.Fail(sessiontest.RouteHealth, sessiontest.Fault{Cut: true, Body: "{", Times: 1})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(srv.URL() + "/health")
	if err == nil {
		err = json.NewDecoder(res.Body).Decode(&struct{}{})
		res.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("a cut answer: %v", err)
	}
	srv.Fail(sessiontest.RouteHealth, sessiontest.Fault{Status: 302, Headers: map[string]string{"Location": "http://192.0.2.1/"}, Times: 1})
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	if w.Code != 302 || w.Header().Get("Location") != "http://192.0.2.1/" {
		t.Errorf("got %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestExpiredTokens(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	token := "Bearer " + srv.Token()
	const create = `{"model":{"name":"brightness"}}`
	want(t, 201, nil, "POST", srv.URL()+"/sessions", create, "Authorization", token)
	srv.ExpireTokens()
	want(t, 401, nil, "POST", srv.URL()+"/sessions", create, "Authorization", token)
}

// Three broadcasts, of which a fault hits the second.
func TestGarbledMessages(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault sessiontest.MessageFault
		want  string
	}{
		{"lost", sessiontest.MessageFault{Lose: true}, "a c"},
		{"twice", sessiontest.MessageFault{Twice: true}, "a b b c"},
		{"swapped", sessiontest.MessageFault{Swap: true}, "a c b"},
		{"late", sessiontest.MessageFault{Delay: 200 * time.Millisecond}, "a c b"},
		{"malformed", sessiontest.MessageFault{Malformed: true}, "a c"},
		{"enormous", sessiontest.MessageFault{Size: 1 << 20}, "a c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := sessiontest.New(t, brightness())
			start(t, srv)
			c := connect(t, srv, clientConfig{})
			c.command("set_paused", nil, nil) // the codec is known from here on
			srv.Broadcast("a", nil)
			tt.fault.Of, tt.fault.Times = "message", 1
			srv.Garble(wire.DataChannel, tt.fault)
			srv.Broadcast("b", nil)
			srv.Broadcast("c", nil)
			var got []string
			for range strings.FieldsSeq(tt.want) {
				got = append(got, take(t, c.data, "message").GetMessage().GetType())
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A path with a delay holds the first picture up by it.
func TestDelayedPackets(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	const delay = 300 * time.Millisecond
	srv.SetNetwork(sessiontest.Network{Delay: delay, Jitter: 20 * time.Millisecond})
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	begun := time.Now()
	c.resume("main_video")
	c.frame("main_video")
	if d := time.Since(begun); d < delay {
		t.Errorf("the first picture came after %v", d)
	}
}

// What does not fit through the bottleneck is lost: a sequence number is missing.
func TestBandwidth(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	srv.SetNetwork(sessiontest.Network{Bandwidth: 20_000})
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	last := take(t, c.packets["main_video"], "packet").sequence
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		p := take(t, c.packets["main_video"], "packet")
		if p.sequence-last > 1 && p.sequence-last < 1<<15 {
			return
		}
		last = p.sequence
	}
	t.Error("nothing was lost")
}

// vp8Size is the size in the header of a keyframe (RFC 6386 section 9.1).
func vp8Size(p packet) (width, height int) {
	b := p.payload[4+6:]
	return (int(b[0]) | int(b[1])<<8) & 0x3fff, (int(b[2]) | int(b[3])<<8) & 0x3fff
}

func TestShowing(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	keyframe := func(width int) packet {
		t.Helper()
		for {
			p := c.frame("main_video")[0]
			if isVP8Keyframe(p) {
				if w, _ := vp8Size(p); w == width {
					return p
				}
			}
		}
	}
	keyframe(160)
	srv.Show(sessiontest.Large)
	keyframe(320)
	srv.Show(sessiontest.Black)
	for len(keyframe(160).payload) > 200 {
	}
	srv.Show(sessiontest.Still)
	for len(keyframe(160).payload) < 1000 {
	}
	if !isVP8Keyframe(c.frame("main_video")[0]) {
		t.Error("a still picture moves")
	}
	srv.Show(sessiontest.Live)
	for isVP8Keyframe(c.frame("main_video")[0]) {
	}
}

func TestEffect(t *testing.T) {
	m := brightness()
	m.EffectDelay = 50 * time.Millisecond
	m.Commands = append(m.Commands, sessiontest.Command{Name: "invert", Effect: sessiontest.NegativeClips()})
	srv := sessiontest.New(t, m)
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	c.frame("main_video")
	c.command("invert", nil, nil)
	negative := sessiontest.NegativeClips()[0].Frames[0]
	for {
		var payload []byte
		for _, p := range c.frame("main_video") {
			payload = append(payload, p.payload[4:]...)
		}
		if frame, tag := wire.SplitTrailer(payload); string(frame) == string(negative) {
			if got := string(tag.GetUserData()); got != `{"frame":0}` {
				t.Errorf("the effect begins with %s", got)
			}
			return
		}
	}
}

func TestFrameNumber(t *testing.T) {
	luma := make([]byte, 160*120)
	for y := range 16 {
		for _, bit := range []int{0, 3} {
			for x := range 16 {
				luma[y*160+16*bit+x] = 235
			}
		}
	}
	if got := sessiontest.FrameNumber(luma, 160); got != 9 {
		t.Errorf("got %d", got)
	}
}
