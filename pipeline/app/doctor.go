package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/doctor"
)

func (p *program) doctorCommand() *cobra.Command {
	var model, admin string
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what this machine can do, or which hop to a model fails",
		Args:  noArgs,
		Long: "Find out what this machine can do: decoders and encoders, tried with a picture; the\n" +
			"receive buffer that a socket really gets; limits, the clock, the admin port.\n\n" +
			"With --model it walks to a model instead: DNS, TCP, TLS, key, session, signalling, ICE,\n" +
			"DTLS, data channels, first picture. It names the hop that fails and says what to do. M is\n" +
			"the name of a model in the cloud, with the key in REACTOR_API_KEY, or the URL of a local\n" +
			"runtime. The session that it opens costs as any does, and is ended.\n\n" +
			"Exit code 0 says that nothing failed; 77 that the key was refused; 78 that no retry can\n" +
			"mend it; 1 anything else. A warning is no failure.",
		RunE: func(c *cobra.Command, _ []string) error {
			checks := doctor.Machine(c.Context(), doctor.Surroundings{Env: p.getenv, Admin: admin})
			if c.Flags().Changed("model") {
				peer, err := config.Peer(model, p.getenv)
				if err != nil {
					return &configError{err}
				}
				checks = doctor.Walk(c.Context(), doctor.Config{Peer: peer})
			}
			return p.examine(checks, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&model, "model", "", "walk to the model `M`")
	f.StringVar(&admin, "admin", defaultAdmin, "see whether the admin port `ADDR` is free")
	f.BoolVar(&asJSON, "json", false, "print {\"ok\": …, \"checks\": […]} at the end")
	return c
}

// examine prints what the checks find, and returns what the exit code is made of.
func (p *program) examine(checks iter.Seq[doctor.Result], asJSON bool) error {
	report := struct {
		OK     bool            `json:"ok"`
		Checks []doctor.Result `json:"checks"`
	}{OK: true}
	var failed error
	for r := range checks {
		report.Checks = append(report.Checks, r)
		if r.Status == doctor.Fail {
			report.OK = false
			failed = errors.Join(failed, r.Err, fmt.Errorf("%s failed", r.Name))
		}
		if !asJSON {
			printCheck(p.out, r)
		}
	}
	if asJSON {
		e := json.NewEncoder(p.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	}
	if failed != nil {
		return &toldError{failed}
	}
	return nil
}

// The widths of the first columns: as long as their longest words.
const (
	statusWidth = 4
	checkWidth  = 16
)

func printCheck(w io.Writer, r doctor.Result) {
	status := map[doctor.Status]string{doctor.OK: "ok", doctor.Warn: "warn", doctor.Fail: "FAIL", doctor.Skipped: "-"}[r.Status]
	line := fmt.Sprintf("%-*s  %-*s  %s", statusWidth, status, checkWidth, r.Name, tame(r.Detail))
	if r.Took > 0 {
		line += fmt.Sprintf(" (%s)", r.Took.Round(time.Millisecond))
	}
	text := strings.TrimRight(line, " ") + "\n"
	if r.Advice != "" {
		text += fmt.Sprintf("%*s→ %s\n", statusWidth+checkWidth+4, "", r.Advice)
	}
	fmt.Fprint(w, text) //nolint:errcheck // a terminal that is gone takes nothing
}
