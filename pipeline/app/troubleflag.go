package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// troubleFlag is trouble as JSON, or the file that it stands in. What it does not
// name stays as other flags have it.
type troubleFlag struct{ *sessiontest.Trouble }

// Set implements pflag.Value.
func (f troubleFlag) Set(text string) error {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = string(b)
	}
	err := json.Unmarshal([]byte(text), f.Trouble)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("must be JSON, or @FILE with it: %w", err)
	}
	return err
}

// String implements pflag.Value; there is no default to show.
func (f troubleFlag) String() string { return "" }

// Type implements pflag.Value.
func (f troubleFlag) Type() string { return "json" }

// incidentFlag collects what is to happen, each as WHAT@TIME or WHAT=REASON@TIME.
type incidentFlag struct{ all *[]sim.Incident }

// Set implements pflag.Value.
func (f incidentFlag) Set(text string) error {
	i := strings.LastIndexByte(text, '@')
	if i < 0 {
		return errors.New("must be WHAT@TIME, such as crash@30s")
	}
	after, err := time.ParseDuration(text[i+1:])
	if err != nil || after < 0 {
		return fmt.Errorf("must end with a time such as 30s, got %q", text[i+1:])
	}
	what, reason, _ := strings.Cut(text[:i], "=")
	incident := sim.Incident{What: sessiontest.Incident(what), Reason: reason, After: after}
	if err := incident.What.Validate(); err != nil {
		return err
	}
	*f.all = append(*f.all, incident)
	return nil
}

// String implements pflag.Value; there is no default to show.
func (f incidentFlag) String() string { return "" }

// Type implements pflag.Value.
func (f incidentFlag) Type() string { return "incident" }
