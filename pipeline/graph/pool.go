package graph

import (
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// pool calls several instances of a stateless stage side by side and sends the
// frames on in the order they came.
type pool struct {
	*stage
	order chan *job // in the order of the frames
	tasks chan *job // those of them that are for the stage
	spare chan *job

	mu       sync.Mutex    // guards what follows
	hanging  int           // instances whose call was taken over
	recovery chan struct{} // closed when one of them is back; nil unless all hang
}

// job is one frame in the pool.
type job struct {
	frame *pipeline.Frame
	fate  fate
	done  chan struct{} // one value: the call is over, frame and outcome are set
	// outcome is fate, or carry where the call failed.
	outcome fate
}

// newPool makes room for as many frames as can be in flight, so no send blocks.
func newPool(s *stage, room int) *pool {
	p := &pool{stage: s, order: make(chan *job, room), tasks: make(chan *job, room), spare: make(chan *job, room+1)}
	for range cap(p.spare) {
		p.spare <- &job{done: make(chan struct{}, 1)}
	}
	return p
}

func (p *pool) start() {
	p.running.Go(p.hand)
	for _, i := range p.instances {
		p.running.Go(func() { p.work(i) })
	}
	p.running.Go(p.gather)
}

// hand gives frames to whoever is free.
func (p *pool) hand() {
	defer close(p.order)
	defer close(p.tasks)
	for {
		f, _, ok := p.next()
		if !ok {
			return
		}
		p.note(f)
		j, fate := <-p.spare, p.judge(f)
		j.frame, j.fate, j.outcome = f, fate, fate
		p.order <- j
		if fate == work {
			p.tasks <- j
		}
	}
}

func (p *pool) work(i *instance) {
	for j := range p.tasks {
		f := j.frame
		if p.forgone(f) { // it may have waited long
			j.outcome = pass
			j.done <- struct{}{}
			continue
		}
		begun := p.graph.now()
		i.job = j
		err, mine := i.attempt(f, begun)
		if !mine {
			p.back()
			continue
		}
		p.settle(f, err)
		if err != nil {
			j.outcome = carry
		}
		p.worked(f, begun, p.graph.now(), err)
		j.done <- struct{}{}
	}
}

// gather sends frames on in order.
func (p *pool) gather() {
	defer p.closeOutputs()
	for j := range p.order {
		if j.fate == work {
			<-j.done
		}
		f := j.frame
		switch {
		case p.held == nil:
		case j.outcome == carry && f.Dropped() == "":
			p.held.lay(f)
		case j.outcome == work:
			p.held.keep(f.Results(p.name), false)
		}
		j.frame = nil
		p.spare <- j
		p.send(f, p.graph.now())
	}
}

func (p *pool) outlasted(i *instance, standIn *pipeline.Frame) {
	j := i.job
	j.frame, j.outcome = standIn, pass
	j.done <- struct{}{}

	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging++
	if p.hanging == len(p.instances) {
		recovery := make(chan struct{})
		p.recovery = recovery
		p.running.Go(func() { p.bypass(recovery) })
	}
}

// bypass lets frames pass for as long as all instances hang.
func (p *pool) bypass(recovery <-chan struct{}) {
	for {
		select {
		case <-recovery:
			return
		case j, ok := <-p.tasks:
			if !ok {
				return
			}
			p.counts.skipped[bypassed].Add(1)
			j.outcome = pass
			j.done <- struct{}{}
		}
	}
}

// back notes that an instance works again.
func (p *pool) back() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging--
	if p.recovery != nil {
		close(p.recovery)
		p.recovery = nil
	}
}
