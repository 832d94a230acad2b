package config

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:generate go run ../../scripts/reference ../..

//go:embed texts.json
var texts []byte

// ShippedTexts returns the comments on the file's own keys, and on the kinds
// that ship with reactorpipe. Those of other modules are not among them: a
// program does not have its source with it.
func ShippedTexts() Texts {
	var byName map[string]string
	if err := json.Unmarshal(texts, &byName); err != nil {
		panic(fmt.Sprintf("config: texts.json: %v", err)) // make generate wrote it
	}
	return func(name string) string { return byName[name] }
}
