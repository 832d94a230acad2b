package publish

import (
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// idle is what is done while nothing comes: the last picture is sent again, and in
// the end the tracks are given back. Its goroutine begins with the first picture.
type idle struct {
	once sync.Once
	stop sync.Once
	done chan struct{}
	wg   sync.WaitGroup

	complaints pipeline.Turns // of the log
}

// complaintInterval is how often trouble with one picture is logged.
const complaintInterval = 10 * time.Second

// begin begins to look after s, if there will be anything to do.
func (i *idle) begin(s *Sink) {
	if s.cfg.Repeat == 0 && s.cfg.Idle == 0 {
		return
	}
	i.once.Do(func() { i.wg.Go(func() { i.run(s) }) })
}

func (i *idle) run(s *Sink) {
	for {
		select {
		case <-i.done:
			return
		case <-s.env.Clock.After(s.period()):
			now := s.env.Clock.Now()
			err := s.wait(now)
			if err == nil {
				continue
			}
			if _, ok := i.complaints.Take(now, complaintInterval); ok {
				s.env.Log.Warn("picture not sent again", "err", err)
			}
		}
	}
}

// end ends that.
func (i *idle) end() {
	i.stop.Do(func() { close(i.done) })
	i.wg.Wait()
}

// period is the time from one picture to the next.
func (s *Sink) period() time.Duration {
	return time.Duration(float64(time.Second) / float64(s.cfg.FPS))
}

// wait does what is due while nothing comes.
func (s *Sink) wait(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.track == nil && s.sound.writer == nil {
		return nil
	}
	last := s.shown.at
	if last.Before(s.sound.sent) {
		last = s.sound.sent
	}
	if s.cfg.Idle > 0 && now.Sub(last) >= s.cfg.Idle.Std() {
		s.env.Log.Info("nothing to publish, tracks given back")
		return s.giveBack()
	}
	return s.missed(s.again(now))
}

// again sends the last picture again, if it is time.
func (s *Sink) again(now time.Time) error {
	quiet := now.Sub(s.shown.now)
	if s.encoder == nil || quiet < s.period() || now.Before(s.retryAt) || now.Sub(s.shown.at) > s.cfg.Repeat.Std() {
		return nil
	}
	tag := s.shown.tag
	tag.PTS += quiet
	if err := s.encode(nil, tag); err != nil {
		return err
	}
	s.shown.tag, s.shown.now = tag, now
	return nil
}
