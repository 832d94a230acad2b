package session

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// TestICEServer: a password in a URL is a credential, and no part of the address.
func TestICEServer(t *testing.T) {
	for server, want := range map[string]sdk.ICEServer{
		"stun:stun.example.com":                {URLs: []string{"stun:stun.example.com"}},
		"turn:me:pass@relay.example.com:3478":  {URLs: []string{"turn:relay.example.com:3478"}, Username: "me", Password: "pass"},
		"turns:a%3Ab:p%40s%25@h?transport=tcp": {URLs: []string{"turns:h?transport=tcp"}, Username: "a:b", Password: "p@s%"},
	} {
		if diff := cmp.Diff(want, iceServer(server)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", server, diff)
		}
	}
}
