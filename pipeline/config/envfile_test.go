package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnvFile(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
		err        string
	}{
		{"plain", "A=1\nB_2=two words\n", map[string]string{"A": "1", "B_2": "two words"}, ""},
		{"nothing of it", "# A=1\n; B=2\n\n   \n", map[string]string{}, ""},
		{"spaces around", "  A = x \t\r\nB=\n", map[string]string{"A": "x", "B": ""}, ""},
		{"a key alone is the environment's", "A\n", map[string]string{}, ""},
		{"the last counts", "A=1\nA=2", map[string]string{"A": "2"}, ""},
		{"more signs", "A=b=c # no comment\nURL=http://x/?a=1&b=2#c", map[string]string{"A": "b=c # no comment", "URL": "http://x/?a=1&b=2#c"}, ""},
		{"nothing is expanded", "A=$HOME ${B}\nB=\"$HOME\"", map[string]string{"A": "$HOME ${B}", "B": "$HOME"}, ""},
		{"single quotes", `A=' it is \n " $x '`, map[string]string{"A": ` it is \n " $x `}, ""},
		{"double quotes", `A=" \"a\" \\ \$ \n' "`, map[string]string{"A": ` "a" \ $ \n' `}, ""},
		{"quotes inside", `A=say "hi"`, map[string]string{"A": `say "hi"`}, ""},
		{
			"all mistakes, no values", "9A=secret\nexport B=secret\nC=\"secret\nD='secret'secret\n=secret\nOK=1\n", nil,
			"FILE:1: must be KEY=VALUE, the key of letters, digits and underscores\n" +
				"FILE:2: must be KEY=VALUE, the key of letters, digits and underscores\n" +
				"FILE:3: C: the closing quote is missing\n" +
				"FILE:4: D: nothing may stand behind the closing quote\n" +
				"FILE:5: must be KEY=VALUE, the key of letters, digits and underscores",
		},
		{"no text", "A=\x00", nil, "FILE:1: must be text in UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEnv("FILE", []byte(tt.text))
			if err != nil {
				if diff := cmp.Diff(err.Error(), tt.err); diff != "" {
					t.Error(diff)
				}
				return
			}
			if tt.err != "" {
				t.Errorf("no error, want %s", tt.err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadEnvFileThatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no.env")
	_, err := ReadEnvFile(path)
	if err == nil || err.Error() != path+": no such file or directory" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made")
	}
}

func FuzzParseEnv(f *testing.F) {
	for _, seed := range []string{"A=1", "A='x'\nB=\"\\\"\"", "A", "=", "A=\"\\"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		vars, err := parseEnv("FILE", text)
		if err != nil {
			return
		}
		for key := range vars {
			if !envKey.MatchString(key) {
				t.Errorf("key %q", key)
			}
		}
	})
}
