package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// Keep lives a session that was opened and started, until ctx ends or it is over
// for good: lost or ended, with no other to follow it. Then it returns why, as
// package sdk does; nil after ctx. Where the file says renew, another session
// follows one that nears its limit or is over.
//
// ready is called each time that the session is back, by a reconnect or as
// another one, with the error of reading the model's schema anew: the model may
// not be what it was.
func (s *Session) Keep(ctx context.Context, ready func(ctx context.Context, err error)) error {
	defer s.finish()
	k := keeper{Session: s, ready: ready}
	for {
		l := s.present()
		if l == nil {
			return nil // closed
		}
		planned := k.attend(ctx, l)
		switch {
		case ctx.Err() != nil:
			return nil
		case !planned && s.cfg.Spec.Renew == nil:
			return l.Err()
		}
		if err := k.renew(ctx, l, planned); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// keeper is a Keep under way.
type keeper struct {
	*Session
	ready func(ctx context.Context, err error)
	brief int // how many lives in a row were over as soon as they had begun
}

// attend waits until l is over, or is to be followed by another: planned.
func (k *keeper) attend(ctx context.Context, l *life) (planned bool) {
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	events := l.Events(watching)
	watch.Go(func() {
		for e := range events {
			if e.Type == sdk.EventReconnected {
				k.ready(watching, translate(k.readSchema(watching, l)))
			}
		}
	})
	select {
	case <-ctx.Done():
	case <-l.Done():
	case <-k.due(l):
		return true
	}
	return false
}

// due returns when another life is to follow l; never where that is not known.
func (k *keeper) due(l *life) <-chan time.Time {
	spec := k.cfg.Spec
	if spec.Renew == nil || spec.Limit == 0 {
		return nil
	}
	return k.cfg.Clock.After(spec.Limit - spec.Renew.Before.Std() - k.cfg.Clock.Now().Sub(l.since))
}

// renew has another life follow l: beside it, where there is room for two at a
// time, else after its end.
func (k *keeper) renew(ctx context.Context, l *life, planned bool) error {
	begun := k.cfg.Clock.Now()
	why := "its limit is near"
	if !planned {
		why = l.Err().Error()
	}
	var next *life
	var err error
	if planned && !k.cfg.Spec.Local {
		next = k.beside(ctx, l)
	}
	overlapped := next != nil
	if !overlapped {
		k.take(true)
		if err := k.part(ctx, l, false); err != nil {
			k.cfg.Log.Debug("session not ended at the server", "err", err) // package sdk has warned
		}
		if next, err = k.after(ctx, l, planned); err != nil {
			return err
		}
	}
	k.install(next)
	k.cfg.Log.Info("session renewed", "session_id", next.ID(), "before", l.ID(), "because", why, "overlap", overlapped,
		"took", k.cfg.Clock.Now().Sub(begun).Round(time.Millisecond))
	k.ready(ctx, nil)
	if !overlapped {
		return nil
	}
	k.handedOver(ctx, l)
	if err := k.part(ctx, l, false); err != nil {
		k.cfg.Log.Debug("session not ended at the server", "err", err)
	}
	return nil
}

// beside makes the next life while l goes on. It is nil where that cannot be:
// the account allows no second session, or l is over before.
func (k *keeper) beside(ctx context.Context, l *life) *life {
	beside, cancel := until(ctx.Done(), l.Done())
	defer cancel()
	deadline := k.cfg.Clock.Now().Add(k.cfg.Spec.Renew.Before.Std() / 2)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		next, err := k.begin(beside)
		if err == nil {
			return next
		}
		left := deadline.Sub(k.cfg.Clock.Now())
		wait := max(jitter(pause), retryAfter(err))
		if beside.Err() != nil || left <= wait {
			k.cfg.Log.Info("no second session beside the present one, it ends first", "err", err)
			return nil
		}
		k.cfg.Log.Debug("no second session yet", "err", err)
		if k.pause(beside, wait) != nil {
			return nil
		}
	}
}

// A life that is over sooner than brief does not count as one. The pause before
// the next grows with each from the one to the other.
const (
	brief           = 10 * time.Second
	firstBriefPause = time.Second
	longBriefPause  = 30 * time.Second
)

// roomPause is the first pause before the life that follows one which is over is
// tried again: a server needs a moment until the place of that is free, and the
// picture stands meanwhile.
const roomPause = 50 * time.Millisecond

// after makes the life that follows l, which is over, trying again for as long
// as the file says.
func (k *keeper) after(ctx context.Context, l *life, planned bool) (*life, error) {
	if planned || k.cfg.Clock.Now().Sub(l.since) > brief {
		k.brief = 0
	} else if k.brief++; k.brief > 1 {
		wait := jitter(min(firstBriefPause<<min(k.brief-2, 10), longBriefPause))
		k.cfg.Log.Warn("sessions end as soon as they begin, waiting before the next", "for", wait.Round(time.Millisecond), "in_a_row", k.brief)
		if err := k.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
	begun := k.cfg.Clock.Now()
	for pause := roomPause; ; pause = min(2*pause, longPause) {
		next, err := k.begin(ctx)
		if err == nil {
			return next, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		waited := k.cfg.Clock.Now().Sub(begun)
		if !mayPass(err) && !errors.Is(err, sdk.ErrSessionEnded) || waited > k.cfg.Spec.Wait {
			return nil, fmt.Errorf("renew: %w", k.giveUp(err, waited))
		}
		wait := min(max(jitter(pause), retryAfter(err)), k.cfg.Spec.Wait)
		k.cfg.Log.Warn("session not renewed yet, trying again", "in", wait.Round(time.Millisecond), "err", err)
		if err := k.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// begin makes a life as far as the one before is: started, and with what was set
// in force again. One that does not come so far is ended.
func (k *keeper) begin(ctx context.Context) (*life, error) {
	next, err := k.attempt(ctx)
	if err != nil {
		return nil, err
	}
	if err = k.start(ctx, next); err == nil {
		k.restore(ctx, next)
		err = ctx.Err()
	}
	if err == nil {
		err = next.Err()
	}
	if err != nil {
		next.close()
		return nil, errors.Join(err, next.Session.Close())
	}
	return next, nil
}
