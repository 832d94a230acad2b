package exec

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// askedGrace is how long a program may take to end once its socket is
	// closed, and again once it got SIGTERM.
	askedGrace = time.Second
	// lastWords is how long is waited for output that somebody outside of the
	// program's process group holds open.
	lastWords = 500 * time.Millisecond
	// mostRefused is how many lines may be nonsense between two answers.
	mostRefused = 100
)

// program is one process from its start to its end.
type program struct {
	clock  pipeline.Clock
	cmd    *osexec.Cmd
	conn   *net.UnixConn
	output *os.File
	// said is told each line that makes no sense, ordered each command.
	refused func(error)
	ordered func(order)

	ready     chan struct{} // closed when the program says so
	exited    chan struct{} // closed when the process has ended and is reaped
	condemned chan struct{} // closed when it is to be killed
	answers   chan *answer  // to the question that is open
	running   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	open     *uint64    // the frame that an answer is waited for
	isReady  bool
	nonsense int
	why      error // it was condemned, or ended
}

// start starts the process, whose shared memory may be nil, and reads what it
// says. The goroutine that calls it stays on its thread until the program has
// ended: with the thread the program would die.
func (s *supervisor) start() (*program, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	output, input, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	defer input.Close()
	p := &program{
		clock: s.env.Clock, conn: ours, output: output, refused: s.refuse, ordered: s.ordered,
		ready: make(chan struct{}), exited: make(chan struct{}), condemned: make(chan struct{}), answers: make(chan *answer, 1),
	}
	files := []*os.File{theirs}
	if s.memory != nil {
		files = append(files, s.memory.file)
	}
	p.cmd = s.launch.command(s.env.Name, input, files...)
	if err := s.launch.limits.start(p.cmd); err != nil {
		return nil, errors.Join(err, ours.Close(), output.Close())
	}
	p.running.Go(p.read)
	p.running.Go(func() { s.log.copy(output, p.cmd.Process.Pid) })
	go p.wait()
	if err := s.launch.limits.apply(p.cmd.Process.Pid); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// socketpair returns both ends of a stream; neither is inherited by chance.
func socketpair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "program")
	mine := os.NewFile(uintptr(fds[0]), "stage")
	defer mine.Close() // FileConn duplicates it
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("socket: %w", err), theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// wait reaps the process and whatever is left of its group. While the process
// is not reaped its number is nobody else's, nor is that of its group.
func (p *program) wait() {
	defer close(p.exited)
	pid := p.cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.signal(syscall.SIGKILL)
	_ = p.cmd.Wait() // what it says is in ProcessState
	_ = p.output.SetReadDeadline(time.Now().Add(lastWords))
	_ = p.conn.SetReadDeadline(time.Now().Add(lastWords))
	p.running.Wait()
	_ = p.conn.Close()
	_ = p.output.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		p.why = fmt.Errorf("it ended: %s", p.cmd.ProcessState)
	}
}

func (p *program) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// condemn asks for the program's end, and says why.
func (p *program) condemn(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why != nil {
		return
	}
	p.why = why
	close(p.condemned)
}

// reason returns why the program has ended, or is about to.
func (p *program) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// kill ends the program at once.
func (p *program) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// end asks the program to end, and does not take no for an answer.
func (p *program) end() {
	_ = p.conn.CloseWrite()
	select {
	case <-p.exited:
		return
	case <-p.clock.After(askedGrace):
		p.signal(syscall.SIGTERM)
	}
	select {
	case <-p.exited:
	case <-p.clock.After(askedGrace):
		p.kill()
	}
}

// read takes what the program says until it ends.
func (p *program) read() {
	lines := bufio.NewScanner(p.conn)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if err := p.take(lines.Bytes()); err != nil {
			p.refuse(err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		p.condemn(fmt.Errorf("it sent a line of more than %d bytes", maxLine))
	}
	_, _ = io.Copy(io.Discard, p.conn) // a program that is about to be killed
}

// refuse counts a line that makes no sense. A program that says little else is
// condemned.
func (p *program) refuse(err error) {
	p.refused(err)
	p.mu.Lock()
	p.nonsense++
	enough := p.nonsense > mostRefused
	p.mu.Unlock()
	if enough {
		p.condemn(fmt.Errorf("more than %d of its lines made no sense, the last: %w", mostRefused, err))
	}
}

// take understands one line.
func (p *program) take(line []byte) error {
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return plain(err)
	}
	switch e.Type {
	case "ready":
		return p.becomeReady()
	case "result":
		return p.answered(line, e)
	case "command":
		var o order
		if err := decode(line, &o); err != nil {
			return fmt.Errorf("command: %w", err)
		}
		p.ordered(o)
		return nil
	default:
		return fmt.Errorf("type: must be ready, result or command, got %q", e.Type)
	}
}

func (p *program) becomeReady() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isReady {
		return errors.New("ready: was said before")
	}
	p.isReady = true
	close(p.ready)
	return nil
}

// answered gives the answer to who waits for it. One that makes no sense fails
// the frame, so that nobody waits for another.
func (p *program) answered(line []byte, e envelope) error {
	p.mu.Lock()
	open := p.open
	if open == nil || e.Seq == nil || *e.Seq != *open {
		p.mu.Unlock()
		return errors.New("result: seq is not that of the frame that an answer is due for")
	}
	p.open, p.nonsense = nil, 0
	p.mu.Unlock()
	a := new(answer)
	if err := decode(line, a); err != nil {
		a = &answer{Error: fmt.Sprintf("its result makes no sense: %v", err)}
	}
	p.answers <- a
	return nil
}

// ask sends a question and waits for its answer, so long at most. A program that
// owes one is of no more use: it may still be at work in the shared memory.
func (p *program) ask(ctx context.Context, q *question, timeout time.Duration) (*answer, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	over := p.clock.After(timeout)
	p.mu.Lock()
	p.open = &q.Seq
	p.mu.Unlock()
	if err := p.send(line, timeout); err != nil {
		return nil, p.deaf(err)
	}
	select {
	case a := <-p.answers:
		return a, nil
	case <-p.exited:
		return nil, p.reason()
	case <-p.condemned:
		return nil, p.reason()
	case <-over:
		return nil, p.gone(fmt.Errorf("no answer to frame %d within %s", q.Seq, timeout))
	case <-ctx.Done():
		return nil, p.gone(fmt.Errorf("no answer to frame %d: %w", q.Seq, context.Cause(ctx)))
	}
}

// deaf returns why the program takes no question. One that is about to end says
// more by how it does.
func (p *program) deaf(err error) error {
	select {
	case <-p.exited:
	case <-p.clock.After(askedGrace):
	}
	return p.gone(fmt.Errorf("it takes no frame: %w", err))
}

// gone condemns the program, unless it has ended already, and returns why.
func (p *program) gone(why error) error {
	p.condemn(why)
	return p.reason()
}

// send writes one line. The deadline is the kernel's: it is in real time.
func (p *program) send(line []byte, timeout time.Duration) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := p.conn.Write(append(line, '\n'))
	return err
}
