package session

import (
	"context"
	"errors"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// Without its schema a model's commands go unchecked for the whole run, so a
// ready server that is slow to answer is asked more than once.
const (
	schemaTries   = 3
	schemaTimeout = 10 * time.Second // of one try
)

// readSchema learns what the model takes: the server that a session comes back
// to may be another one. On an error the schema that is known stays.
func (s *Session) readSchema(ctx context.Context, l *life) error {
	for try := 1; ; try++ {
		schema, err := askSchema(ctx, l.Session)
		if err == nil {
			l.schema.Store(schema)
			return nil
		}
		if try == schemaTries || ctx.Err() != nil || !mayAnswer(err) {
			return err
		}
		s.cfg.Log.Debug("model schema not read, trying again", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-l.Done():
			return err
		case <-s.cfg.Clock.After(jitter(firstPause)):
		}
	}
}

func askSchema(ctx context.Context, live *sdk.Session) (*sdk.Schema, error) {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	document, err := live.Schema(ctx)
	if err != nil {
		return nil, err
	}
	return sdk.ParseSchema(document)
}

// mayAnswer says that the next answer may be better: there was none.
func mayAnswer(err error) bool { return errors.Is(err, sdk.ErrNotReady) || mayPass(err) }
