package app

import (
	"encoding/json"
	"maps"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// tidy takes out of a report what differs from run to run.
func tidy(report, url string) string {
	report = strings.ReplaceAll(report, strings.TrimPrefix(url, "http://"), "HOST")
	return regexp.MustCompile(` \(\d[^)]*s\)\n`).ReplaceAllString(report, "\n")
}

const healthy = `ok    dns               127.0.0.1 is an address
ok    tcp               connected to HOST
ok    tls               not used: the address begins with http:
ok    key               exchanged for a token of reactor/x2
ok    session           the model is there
ok    signalling        offer and answer exchanged
ok    ice               a path for media was found
ok    dtls              encrypted
ok    channels          both data channels are open
ok    first frame       main_video, 160×120
ok    end               the session was ended
`

func TestDoctorWalks(t *testing.T) {
	srv, v := coordinator(t)
	if code := v.main(t, "doctor", "--model", "reactor/x2"); code != exitDone || v.err.String() != "" {
		t.Errorf("exit %d: %s", code, v.err.String())
	}
	if diff := cmp.Diff(tidy(v.out.String(), srv.URL()), healthy); diff != "" {
		t.Error(diff)
	}
}

const refused = `ok    dns               127.0.0.1 is an address
ok    tcp               connected to HOST
ok    tls               not used: the address begins with http:
FAIL  key               token: [UNAUTHORIZED] unexpected HTTP status 401 from token exchange: Invalid API key
                        → the key or token is not, or no longer, good here, or not for this model: make another, check REACTOR_API_URL
-     session
-     signalling
-     ice
-     dtls
-     channels
-     first frame
`

// The hop that fails is named once, and decides on the exit code.
func TestDoctorFails(t *testing.T) {
	t.Run("key refused", func(t *testing.T) {
		srv, v := coordinator(t)
		v.env["REACTOR_API_KEY"] = "rk_wrong"
		if code := v.main(t, "doctor", "--model", "reactor/x2"); code != exitRefused || v.err.String() != "" {
			t.Errorf("exit %d: %s", code, v.err.String())
		}
		if diff := cmp.Diff(tidy(v.out.String(), srv.URL()), refused); diff != "" {
			t.Error(diff)
		}
	})
	tests := []struct {
		name  string
		model string
		env   map[string]string
		fault sessiontest.Route
		code  int
	}{
		{"no key", "reactor/x2", map[string]string{"REACTOR_API_KEY": ""}, "", exitConfig},
		{"unknown model", "reactor/x3", nil, "", exitConfig},
		{"no room", "reactor/x2", nil, sessiontest.RouteCreate, exitFailed},
		{"no URL", "reactor/x2", map[string]string{"REACTOR_API_URL": "here"}, "", exitConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, v := coordinator(t)
			if tt.fault != "" {
				srv.Fail(tt.fault, sessiontest.Fault{Status: 429})
			}
			maps.Copy(v.env, tt.env)
			if code := v.main(t, "doctor", "--model", tt.model); code != tt.code {
				t.Errorf("exit %d, want %d:\n%s%s", code, tt.code, v.out.String(), v.err.String())
			}
		})
	}
}

func TestDoctorJSON(t *testing.T) {
	_, v := coordinator(t)
	v.env["REACTOR_API_KEY"] = ""
	if code := v.main(t, "doctor", "--model", "reactor/x2", "--json"); code != exitConfig {
		t.Errorf("exit %d", code)
	}
	var report struct {
		OK     bool
		Checks []map[string]any
	}
	if err := json.Unmarshal([]byte(v.out.String()), &report); err != nil {
		t.Fatal(err)
	}
	if report.OK || len(report.Checks) != 10 {
		t.Fatalf("got %s", v.out.String())
	}
	want := map[string]any{
		"name": "key", "status": "fail",
		"detail": "REACTOR_API_KEY is not set, nor is REACTOR_JWT", "advice": "export REACTOR_API_KEY=rk_…",
	}
	if diff := cmp.Diff(report.Checks[3], want); diff != "" {
		t.Error(diff)
	}
}

// Without a model it looks at the machine, and needs nothing of it to fail.
func TestDoctorMachine(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := &invocation{env: map[string]string{"REACTOR_API_KEY": key}}
	if code := v.main(t, "doctor", "--admin", l.Addr().String()); code != exitDone || v.err.String() != "" {
		t.Errorf("exit %d: %s", code, v.err.String())
	}
	for _, line := range []string{
		"ok    decode vp8        software\n",
		"ok    encode h264       software\n",
		"warn  admin port        " + l.Addr().String() + " is taken\n                        → run with another --admin, or --admin off; maybe reactorpipe runs already\n",
		"ok    environment       REACTOR_API_KEY set, REACTOR_JWT not set, REACTOR_MODEL not set, REACTOR_API_URL not set, REACTOR_LOCAL not set\n",
	} {
		if !strings.Contains(v.out.String(), line) {
			t.Errorf("no %q in:\n%s", line, v.out.String())
		}
	}
	if strings.Contains(v.out.String(), key) {
		t.Error("the key was printed")
	}
}
