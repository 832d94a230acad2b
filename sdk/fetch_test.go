package sdk_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func TestFetchSchema(t *testing.T) {
	srv := sessiontest.New(t, sessiontest.Model{Name: "m", Commands: []sessiontest.Command{{Name: "start"}}})
	document, err := sdk.FetchSchema(t.Context(), srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	s, err := sdk.ParseSchema(document)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Command("start"); !ok || s.Title != "m" {
		t.Errorf("got %+v", s)
	}
	srv.Fail(sessiontest.RouteSchema, sessiontest.Fault{Status: http.StatusNotFound})
	_, err = sdk.FetchSchema(t.Context(), srv.URL())
	want := "schema: [NOT_FOUND] unexpected HTTP status 404 from schema: Not Found"
	if !errors.Is(err, sdk.ErrNotFound) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
