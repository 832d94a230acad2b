package app

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// serviceManager is systemd, where it started the process as a service of
// Type=notify: it is told when the pipelines are ready, when they change and
// stop, what they do, and, for its watchdog, that our own loops turn. Elsewhere
// it does nothing.
type serviceManager struct {
	log  *slog.Logger
	pace time.Duration // between two looks
	dog  bool          // it has a watchdog for us

	mu      sync.Mutex // guards what follows, and the order of what is told
	mute    bool       // nobody listens
	ready   bool
	changes int // under way
	status  string
}

// How often the service manager hears of what changed: as often as somebody who
// looks at `systemctl status` could notice, and while others wait for us, more
// often.
const (
	lookPace  = time.Second
	startPace = 100 * time.Millisecond
)

func newServiceManager(log *slog.Logger) *serviceManager {
	m := &serviceManager{log: log, pace: lookPace}
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not served", "err", err)
	}
	if interval > 0 {
		m.dog, m.pace = true, min(m.pace, interval/4)
	}
	return m
}

// tell sends lines of sd_notify(3). The lock is held.
func (m *serviceManager) tell(lines ...string) {
	if m.mute {
		return
	}
	sent, err := daemon.SdNotify(false, strings.Join(lines, "\n"))
	if err != nil {
		m.log.Warn("service manager not told", "err", err)
	}
	m.mute = !sent
}

// attend tells the service manager how the pipelines are until stop is called,
// which waits.
func (m *serviceManager) attend(s *supervisor) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { m.look(s, done) })
	return func() {
		close(done)
		wg.Wait()
	}
}

func (m *serviceManager) look(s *supervisor, done <-chan struct{}) {
	over := s.over
	for {
		if !m.report(s.views()) {
			return
		}
		select {
		case <-done:
			return
		case <-over:
			over = nil
			m.stopping(s.views())
		case <-time.After(m.patience()):
		}
	}
}

// patience is the time to the next look.
func (m *serviceManager) patience() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready {
		return m.pace
	}
	return min(m.pace, startPace)
}

// report tells of the present state; false if nobody listens.
func (m *serviceManager) report(views []pipelineView) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	if !m.ready && started(views) {
		m.ready = true
		lines = append(lines, daemon.SdNotifyReady)
	}
	if status := "STATUS=" + inWords(views); status != m.status {
		m.status = status
		lines = append(lines, status)
	}
	if m.dog && !slices.ContainsFunc(views, func(v pipelineView) bool { return v.Stuck }) {
		lines = append(lines, daemon.SdNotifyWatchdog)
	}
	if len(lines) > 0 {
		m.tell(lines...)
	}
	return !m.mute
}

// started says that no pipeline is about to run any more, and one does.
func started(views []pipelineView) bool {
	is := func(p phase) bool {
		return slices.ContainsFunc(views, func(v pipelineView) bool { return v.Phase == p })
	}
	return !is(phaseStarting) && is(phaseRunning)
}

// stopping tells that the process ends. A run that was over before it was looked
// at has been ready, too.
func (m *serviceManager) stopping(views []pipelineView) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ready && !slices.ContainsFunc(views, func(v pipelineView) bool { return v.Phase != phaseEnded }) {
		m.ready = true
		m.tell(daemon.SdNotifyReady)
	}
	m.tell(daemon.SdNotifyStopping)
}

// change tells that a pipeline takes another version of its file; the returned
// function, that it has.
func (m *serviceManager) change() (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
	if m.changes == 1 && m.ready {
		m.tell(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()))
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.changes--
		if m.changes == 0 && m.ready {
			m.tell(daemon.SdNotifyReady)
		}
	}
}

// inWords is one line for all pipelines.
func inWords(views []pipelineView) string {
	parts := make([]string, len(views))
	for i, v := range views {
		parts[i] = v.Name + ": " + strings.Join(v.states(), ", ")
	}
	return strings.Join(parts, "; ")
}
