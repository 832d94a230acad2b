package container

import (
	"encoding/hex"
	"testing"
)

func TestParameterSets(t *testing.T) {
	const sps, pps = "00000001674200", "0000000168ce3c80"
	tests := []struct{ name, unit, want string }{
		{"long start codes", sps + pps + "00000001658801", "000000016742" + "0000000168ce3c80"},
		{"short start codes", "0000016742" + "00000168ce" + "0000016588", "000000016742" + "0000000168ce"},
		{"others between", "0000000109f0" + sps + "00000106ff" + pps + "0000016588", "000000016742" + "0000000168ce3c80"},
		{"no picture set", sps + "0000016588", ""},
		{"no sequence set", pps + "0000016588", ""},
		{"nothing", "", ""},
		{"no start code", "6742006588", ""},
		{"start codes alone", "000001000001000001", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			unit, err := hex.DecodeString(tt.unit)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(parameterSets(unit)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzParameterSets checks that what is found in what was found is the same.
func FuzzParameterSets(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 0x88})
	f.Add([]byte{0, 0, 1, 0x68, 0, 0, 1, 0x67, 0, 0, 0})
	f.Add([]byte{0, 0, 1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, unit []byte) {
		sets := parameterSets(unit)
		if sets == nil {
			return
		}
		if again := parameterSets(sets); string(again) != string(sets) {
			t.Fatalf("got %x, then %x", sets, again)
		}
	})
}
