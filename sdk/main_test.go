package sdk

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
