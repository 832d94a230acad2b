package sdk

import (
	"context"
	"log/slog"
	"sync"

	"github.com/pion/webrtc/v4"
)

// trickle uploads local candidates as they are found, several at once where
// they come faster than an upload takes.
type trickle struct {
	wake     chan struct{}
	accepted chan struct{} // closed when the answer was applied

	mu   sync.Mutex // guards what follows
	wait []candidate
	done bool // gathering is over
}

func newTrickle() *trickle {
	return &trickle{wake: make(chan struct{}, 1), accepted: make(chan struct{})}
}

// add takes a candidate from pion; nil ends the gathering.
func (t *trickle) add(c *webrtc.ICECandidate) {
	t.mu.Lock()
	if c == nil {
		t.done = true
	} else {
		j := c.ToJSON()
		t.wait = append(t.wait, candidate{Candidate: j.Candidate, SDPMid: j.SDPMid, SDPMLineIndex: j.SDPMLineIndex})
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// answered lets the closing marker go out.
func (t *trickle) answered() { close(t.accepted) }

func (t *trickle) take() (batch []candidate, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	batch, t.wait = t.wait, nil
	return batch, t.done
}

// run uploads until all are sent and the answer is there, or ctx ends. A failed
// upload is no failure: the answer carries the server's candidates.
func (t *trickle) run(ctx context.Context, g signalling, id uint32, log *slog.Logger) {
	send := func(b candidateBatch) {
		b.Client = thisClient
		if err := g.candidates(ctx, id, b); err != nil && ctx.Err() == nil {
			log.Debug("candidates not uploaded", "err", err)
		}
	}
	for {
		batch, done := t.take()
		if len(batch) > 0 {
			send(candidateBatch{Candidates: batch})
			continue
		}
		if done {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
	}
	select {
	case <-ctx.Done():
	case <-t.accepted:
		send(candidateBatch{Candidates: []candidate{}, Final: true})
	}
}
