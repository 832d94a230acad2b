package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is shorter than what container engines wait for a check.
const healthTimeout = 4 * time.Second

func (p *program) healthCommand() *cobra.Command {
	var f adminFlags
	c := &cobra.Command{
		Use:   "health",
		Short: "Say whether a running program is well",
		Long: "Ask a running program, at its admin port, whether its own loops turn: exit code 0 if they\n" +
			"do, 1 if not or if nobody answers. It is the health check of containers. A model that is\n" +
			"silent is no illness; whether pictures flow is what /readyz says.",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.health(c.Context(), f)
		},
	}
	f.add(c)
	return c
}

func (p *program) health(ctx context.Context, f adminFlags) error {
	remote, err := newRemote(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	var said report
	if err := remote.do(ctx, http.MethodGet, "/healthz", nil, &said); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, "well")
	return err
}
