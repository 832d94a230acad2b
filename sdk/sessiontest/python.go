package sessiontest

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// typeName is the name that Python has for a value's type.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	case int:
		_ = v
		return "int"
	}
	return "float"
}

// repr writes a value as Python's repr does: what the runtime puts into its
// refusals.
func repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case float64:
		return reprFloat(v)
	case string:
		return reprString(v)
	case []any:
		items := make([]string, len(v))
		for i, e := range v {
			items[i] = repr(e)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			items = append(items, reprString(k)+": "+repr(v[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return "<object>"
}

// reprFloat writes whole numbers with ".0" and turns to exponents where Python
// does: from 1e16 on and below 1e-4.
func reprFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a >= 1e16 || a < 1e-4) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func reprString(s string) string {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, quote, `\`+quote)
	return quote + escape.Replace(s) + quote
}
