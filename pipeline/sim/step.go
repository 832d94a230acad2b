package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// step makes one step of a stepped session: so many pictures of each output,
// the session's own from its beginning on, as commands have them.
func (s *Server) step(_ context.Context, step *sessiontest.Step) error {
	st, err := s.studioOf(step.Session)
	if err != nil {
		return err
	}
	for _, frames := range step.Inputs {
		s.inputs.Add(uint64(len(frames)))
	}
	for i := range s.cfg.StepFrames {
		n := int(step.Number-1)*s.cfg.StepFrames + i //nolint:gosec // nobody makes so many steps
		at := time.Duration(float64(n) / s.cfg.FPS * float64(time.Second))
		if err := st.draw(at, s.scene.now()); err != nil {
			return err
		}
		picture, err := st.raw()
		if err != nil {
			return err
		}
		picture.Metadata = numbered(uint64(n)) //nolint:gosec // from 0 on
		for _, output := range s.outputs {
			step.Emit(output, s.cfg.FPS, picture)
		}
		s.frames.Add(1)
	}
	s.sayState()
	return nil
}

// counted is numbered for a picture that some commands have changed.
func counted(n uint64, effects int) []byte {
	if effects == 0 {
		return numbered(n)
	}
	return fmt.Appendf(nil, `{"frame":%d,"effects":%d}`, n, effects)
}

// numbered is what goes with the nth picture.
func numbered(n uint64) []byte { return fmt.Appendf(nil, `{"frame":%d}`, n) }

// studioOf is the studio of a stepped session, whose time is its own.
func (s *Server) studioOf(session string) (*studio, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.steppers[session]; st != nil {
		return st, nil
	}
	st, err := openStudio(s.cfg)
	if err != nil {
		return nil, err
	}
	s.steppers[session] = st
	return st, nil
}

// forget frees what was made for a session.
func (s *Server) forget(session, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.steppers[session]; st != nil {
		delete(s.steppers, session)
		if err := st.Close(); err != nil {
			s.cfg.Log.Warn("a session left something behind", "session", session, "err", err)
		}
	}
}
