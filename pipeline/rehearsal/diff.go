package rehearsal

import (
	"bytes"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// around is how many lines that are the same are shown before and after one that
// differs.
const around = 3

// diff writes what was expected and what came as YAML, and the lines in which
// they differ: with - what was expected, with + what came.
func diff(want, got any) string {
	w, g := linesOf(want), linesOf(got)
	var lines, came []string
	for _, p := range pairUp(len(w), len(g), func(i, j int) bool { return w[i] == g[j] }) {
		if p[0] >= 0 && p[1] >= 0 && w[p[0]] == g[p[1]] {
			lines = append(append(lines, came...), "  "+w[p[0]])
			came = nil
			continue
		}
		if p[0] >= 0 {
			lines = append(lines, "- "+w[p[0]])
		}
		if p[1] >= 0 {
			came = append(came, "+ "+g[p[1]])
		}
	}
	return strings.Join(shortened(append(lines, came...)), "\n")
}

// word is a key that YAML of before 2009 took for true or false, and quotes.
var word = regexp.MustCompile(`"([yYnN])":`)

func linesOf(v any) []string {
	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := e.Encode(written(v)); err != nil {
		return []string{err.Error()}
	}
	return strings.Split(word.ReplaceAllString(strings.TrimRight(text.String(), "\n"), "$1:"), "\n")
}

// shortened leaves out what is the same and far from what is not.
func shortened(lines []string) []string {
	near := func(i int) bool {
		for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
			if lines[j][0] != ' ' {
				return true
			}
		}
		return false
	}
	var short []string
	for i, line := range lines {
		if near(i) {
			short = append(short, line)
		} else if len(short) > 0 && short[len(short)-1] != "  …" || len(short) == 0 {
			short = append(short, "  …")
		}
	}
	return short
}
