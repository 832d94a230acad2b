package app

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is printed for the kinds that ship is the file that editors are pointed
// at.
func TestSchema(t *testing.T) {
	var v invocation
	if code := v.main(t, "schema"); code != exitDone {
		t.Errorf("exit %d", code)
	}
	want, err := os.ReadFile("../../configs/pipeline.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.out.String(), string(want)); diff != "" {
		t.Error(diff)
	}
}
