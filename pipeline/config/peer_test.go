package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

func TestPeer(t *testing.T) {
	key := map[string]string{"REACTOR_API_KEY": "rk_1", "REACTOR_JWT": "jwt_1"}
	tests := []struct {
		name string
		peer string
		env  map[string]string
		want config.Session
		err  string
	}{
		{"a model", "reactor/x2", key, config.Session{Model: "reactor/x2", APIKey: "rk_1", Token: "jwt_1"}, ""},
		{"a model elsewhere", "x2", map[string]string{"REACTOR_API_URL": "https://a.example"}, config.Session{Model: "x2", URL: "https://a.example"}, ""},
		{"a runtime gets no key", "http://localhost:8080", key, config.Session{URL: "http://localhost:8080", Local: true}, ""},
		{"from the environment", "", map[string]string{"REACTOR_MODEL": "x2", "REACTOR_API_KEY": "rk_1"}, config.Session{Model: "x2", APIKey: "rk_1"}, ""},
		{"a runtime from the environment", "", map[string]string{"REACTOR_LOCAL": "1"}, config.Session{URL: "http://localhost:8080", Local: true}, ""},
		{"an address without its scheme", "localhost:8080", key, config.Session{}, "must be a model's name, or an http or https URL such as http://localhost:8080, got localhost:8080"},
		{"an address from the environment", "", map[string]string{"REACTOR_MODEL": "http://localhost:8080"}, config.Session{}, "REACTOR_MODEL: must be a name such as reactor/x2, got an address: http://localhost:8080 is for REACTOR_API_URL"},
		{"nothing", "", nil, config.Session{}, "which model? Name one, such as reactor/x2, or the URL of a local runtime"},
		{"no URL", "x2", map[string]string{"REACTOR_API_URL": "here"}, config.Session{}, `REACTOR_API_URL: must be an http or https URL, got here`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := config.Peer(tt.peer, func(name string) (string, bool) { v, ok := tt.env[name]; return v, ok })
			message := ""
			if err != nil {
				message = err.Error()
			}
			if message != tt.err {
				t.Errorf("got %q, want %q", message, tt.err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}
