package app

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/rehearsal"
)

// reporter tells of tests as they are over, and at the end of all of them.
type reporter interface {
	tell(r rehearsal.Result)
	end() error
}

func reporters() map[string]func(w io.Writer, verbose bool) reporter {
	return map[string]func(io.Writer, bool) reporter{
		"text":  func(w io.Writer, verbose bool) reporter { return &textReport{w: w, verbose: verbose} },
		"json":  func(w io.Writer, _ bool) reporter { return &jsonReport{json.NewEncoder(w)} },
		"junit": func(w io.Writer, _ bool) reporter { return &junitReport{w: w} },
	}
}

// textReport is for people.
type textReport struct {
	w             io.Writer
	verbose       bool
	tests, failed int
}

func (t *textReport) tell(r rehearsal.Result) {
	t.tests++
	word := "ok  "
	if !r.Passed() {
		t.failed++
		word = "FAIL"
	}
	if t.verbose || !r.Passed() {
		fmt.Fprintf(t.w, "%s  %s:%d: %s (%s on the virtual clock, took %s)\n",
			word, r.Test.Path, r.Test.Line, r.Test.Name, rounded(r.Lasted), rounded(r.Took))
	}
	for _, f := range r.Failures {
		fmt.Fprintf(t.w, "      %s:%d: %s\n", r.Test.Path, f.Line, f.Text)
		if f.Diff != "" {
			fmt.Fprintf(t.w, "        %s\n", strings.ReplaceAll(f.Diff, "\n", "\n        "))
		}
	}
}

func (t *textReport) end() error {
	if t.failed > 0 {
		_, err := fmt.Fprintf(t.w, "FAIL: %d of %s\n", t.failed, count(t.tests, "test"))
		return err
	}
	_, err := fmt.Fprintf(t.w, "ok: %s\n", count(t.tests, "test"))
	return err
}

// rounded is for people's eyes.
func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// jsonReport writes an object a line.
type jsonReport struct{ lines *json.Encoder }

type testJSON struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Name     string        `json:"name"`
	Passed   bool          `json:"passed"`
	TookS    float64       `json:"took_s"`
	LastedS  float64       `json:"lasted_s"`
	Failures []failureJSON `json:"failures,omitempty"`
}

type failureJSON struct {
	Line int    `json:"line"`
	Text string `json:"text"`
	Diff string `json:"diff,omitempty"`
}

func (j *jsonReport) tell(r rehearsal.Result) {
	line := testJSON{
		File: r.Test.Path, Line: r.Test.Line, Name: r.Test.Name, Passed: r.Passed(),
		TookS: thousandths(r.Took.Seconds()), LastedS: thousandths(r.Lasted.Seconds()),
	}
	for _, f := range r.Failures {
		line.Failures = append(line.Failures, failureJSON(f))
	}
	_ = j.lines.Encode(line) // who has closed the pipe does not read on
}

func (j *jsonReport) end() error { return nil }

// junitReport is what CI servers read.
type junitReport struct {
	w     io.Writer
	suite junitSuite
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class    string         `xml:"classname,attr"`
	Name     string         `xml:"name,attr"`
	File     string         `xml:"file,attr"`
	Line     int            `xml:"line,attr"`
	Time     float64        `xml:"time,attr"`
	Failures []junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (j *junitReport) tell(r rehearsal.Result) {
	c := junitCase{
		Class: strings.TrimSuffix(strings.TrimSuffix(r.Test.Path, ".yaml"), ".yml"), Name: r.Test.Name,
		File: r.Test.Path, Line: r.Test.Line, Time: thousandths(r.Took.Seconds()),
	}
	j.suite.Tests++
	if !r.Passed() {
		j.suite.Failures++
	}
	for _, f := range r.Failures {
		c.Failures = append(c.Failures, junitFailure{f.Text, fmt.Sprintf("%s:%d: %s\n%s", r.Test.Path, f.Line, f.Text, f.Diff)})
	}
	j.suite.Cases = append(j.suite.Cases, c)
}

func (j *junitReport) end() error {
	j.suite.Name = "reactorpipe"
	text, err := xml.MarshalIndent(j.suite, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.w, "%s%s\n", xml.Header, text)
	return err
}
