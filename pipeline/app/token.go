package app

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sdk"
)

func (p *program) tokenCommand() *cobra.Command {
	var cfg sdk.TokenConfig
	var asJSON bool
	c := &cobra.Command{
		Use:   "token",
		Short: "Exchange the API key for a short-lived token, for a browser for example",
		Args:  noArgs,
		Long: "Exchange the key in REACTOR_API_KEY for a short-lived token that may do what the flags\n" +
			"say and no more. A web server keeps its key and hands its pages such a token:\n\n" +
			"  reactorpipe token --model reactor/x2 --max-sessions 1 --max-session-duration 5m --expires 10m\n\n" +
			"The token is all that is printed; with --json there is the time of its end, too. Without\n" +
			"--model and --session it may do all that the key may. REACTOR_API_URL names another\n" +
			"coordinator. A key that is refused is exit code 77.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.credentials(&cfg); err != nil {
				return err
			}
			token, err := sdk.MintToken(c.Context(), cfg)
			if err != nil {
				return mintError(err)
			}
			return p.printToken(token, asJSON)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&cfg.Models, "model", nil, "may create sessions of these `MODELS`")
	f.StringSliceVar(&cfg.Sessions, "session", nil, "may act on the running sessions with these `IDS`")
	f.IntVar(&cfg.MaxSessions, "max-sessions", 0, "reaches `N` sessions at most; 0 is no bound")
	f.DurationVar(&cfg.MaxSessionDuration, "max-session-duration", 0, "sessions that it creates end after `TIME`, at most 24h; 0 is no bound")
	f.DurationVar(&cfg.ExpiresAfter, "expires", 0, "ends after `TIME`, at most 6h, which is the default")
	f.BoolVar(&asJSON, "json", false, "print {\"jwt\": …, \"expires_at\": …}")
	return c
}

// credentials are those of the environment.
func (p *program) credentials(cfg *sdk.TokenConfig) error {
	peer, err := config.Peer("-", p.getenv)
	if err != nil {
		return &configError{err}
	}
	if peer.APIKey == "" {
		return &configError{errors.New("REACTOR_API_KEY: must be set; it is the key to exchange")}
	}
	cfg.APIKey, cfg.BaseURL = peer.APIKey, peer.URL
	return nil
}

// mintError tells flags that cannot be from an exchange that failed.
func mintError(err error) error {
	if _, exchanged := errors.AsType[*sdk.Error](err); exchanged {
		return err
	}
	return &usageError{err}
}

func (p *program) printToken(token sdk.Token, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(p.out).Encode(token)
	}
	_, err := fmt.Fprintln(p.out, token.JWT)
	return err
}
