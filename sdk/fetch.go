package sdk

import (
	"context"
	"encoding/json"
	"net/http"
)

// FetchSchema reads the OpenAPI document of a local runtime's model, which needs
// no session. [ParseSchema] reads it; it is empty while the model is loading. A
// model of the cloud tells its schema in a session only: [Session.Schema].
func FetchSchema(ctx context.Context, baseURL string) (json.RawMessage, error) {
	cfg, err := Config{Local: true, BaseURL: baseURL}.complete()
	if err != nil {
		return nil, err
	}
	a := newAPI(cfg)
	defer a.close()
	var document json.RawMessage
	_, err = a.do(ctx, exchange{op: "schema", hop: "schema", method: http.MethodGet, path: "/schema", out: &document})
	return document, err
}
