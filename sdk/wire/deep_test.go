package wire

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestDeepMessages: what is nested ten thousand deep is refused, by either codec.
func TestDeepMessages(t *testing.T) {
	const depth = 10_000
	v := structpb.NewNullValue()
	for range depth {
		v = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	binary, err := proto.Marshal(&DataServerMessage{Payload: &DataServerMessage_Message{Message: &ModelMessage{
		Type: "state", Data: &structpb.Struct{Fields: map[string]*structpb.Value{"x": v}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	text := `{"type": "state", "data": {"x": ` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}}`
	tests := []struct {
		name  string
		text  bool
		frame []byte
		want  string
	}{
		{"protobuf", false, binary, "exceeded maximum recursion depth"},
		{"JSON", true, []byte(text), "exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := DecodeServer(DataChannel, tt.text, tt.frame)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %T, %v, want %s", m, err, tt.want)
			}
		})
	}
}
