package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// mostEnv is the largest file of variables that is read, in bytes.
const mostEnv = 1 << 20

// ReadEnvFile reads variables from a file of lines KEY=VALUE, as systemd and
// Docker have them: empty lines and those that begin with # or ; are passed by,
// and so is a KEY alone, which names a variable of the environment. A value in
// single quotes is taken as it stands; in double quotes, a backslash takes the
// meaning from the quote, the backslash, the dollar sign or the backtick behind
// it. Of any other value the spaces around it are cut. Nothing is expanded. Of a
// key that comes twice the last value counts. The error has a line for each
// mistake and repeats no value.
func ReadEnvFile(path string) (map[string]string, error) {
	text, err := readAtMost(path, mostEnv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return parseEnv(path, text)
}

var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func parseEnv(path string, text []byte) (map[string]string, error) {
	vars := make(map[string]string)
	m := &mistakes{path: path}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, value, set, err := parseVariable(string(line))
		if err != nil {
			m.all = append(m.all, mistake{line: number, text: err.Error()})
		}
		if set {
			vars[key] = value
		}
	}
	return vars, m.err()
}

func parseVariable(line string) (key, value string, set bool, err error) {
	if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
		return "", "", false, errors.New("must be text in UTF-8")
	}
	key, value, set = strings.Cut(line, "=")
	key = strings.TrimRight(key, " \t")
	if !envKey.MatchString(key) {
		return "", "", false, errors.New("must be KEY=VALUE, the key of letters, digits and underscores")
	}
	value, err = unquote(strings.TrimSpace(value))
	if err != nil {
		return "", "", false, fmt.Errorf("%s: %w", key, err)
	}
	return key, value, set, nil
}

// unquote takes the quotes off a value that has them.
func unquote(value string) (string, error) {
	if value == "" || value[0] != '\'' && value[0] != '"' {
		return value, nil
	}
	quote := value[0]
	var plain strings.Builder
	for i := 1; i < len(value); i++ {
		c := value[i]
		switch {
		case c == quote && i == len(value)-1:
			return plain.String(), nil
		case c == quote:
			return "", errors.New("nothing may stand behind the closing quote")
		case c == '\\' && quote == '"' && i+1 < len(value) && strings.IndexByte("\"\\$`", value[i+1]) >= 0:
			i++
			c = value[i]
		}
		plain.WriteByte(c)
	}
	return "", errors.New("the closing quote is missing")
}
