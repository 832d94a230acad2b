package sessiontest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Recording says whether sessions are recorded, and how. A recording is H.264
// where the model's first video output can be sent in it, else VP9, with the first
// audio output, or silence, as Opus beside it. Other codecs cannot be
// recorded: a model that shows nothing else fails every clip. It lies in a folder
// of temporary files that [Server.Close] removes.
type Recording struct {
	Enabled bool
	// Chunk is the length of a chunk, and so the grain of clips. Default: 4 s.
	Chunk time.Duration
	// LongestClip bounds a clip; a longer one is cut to it. Default: 300 s.
	LongestClip time.Duration
	// Keep is how long a recording can be fetched after its session. Default: 300 s.
	Keep time.Duration
}

func (r Recording) complete() Recording {
	r.Chunk = orDefault(r.Chunk, 4*time.Second)
	r.LongestClip = orDefault(r.LongestClip, 300*time.Second)
	r.Keep = orDefault(r.Keep, 300*time.Second)
	return r
}

const (
	// longestStill is the longest time between two pictures that counts as
	// media time: what is longer is a model at rest.
	longestStill = time.Second
	// stillLength is what a picture before a rest, or at the end, lasts.
	stillLength = time.Second / 30
	// soundSlack is how far sound may be off the picture before it is moved.
	soundSlack = 200 * time.Millisecond
	// maxUnwritten is how many chunks may wait for the disk.
	maxUnwritten = 16
)

// initIndex is the index of the init segment in the journal.
const initIndex = -1

// recorder records one session. It watches outputs as a client does. Fragments
// are collected under the mutex and written to files by run.
type recorder struct {
	srv     *Server
	session string
	id      string // of the recording
	cfg     Recording
	codec   string // "" if there is nothing that can be recorded
	dir     string
	full    chan fragment // closed by finish
	done    chan struct{} // closed when all is on the disk

	mu       sync.Mutex // guards what follows
	watching bool
	asked    time.Time // for a keyframe
	wanted   bool      // a keyframe is needed: nothing else is recorded next
	begun    bool      // with the first keyframe: the init segment is on the disk
	last     *recorded // waits for its length
	lastPTS  time.Duration
	sounded  time.Duration // end of the sound so far
	open     fragment
	written  int // chunks that can be fetched
	finished bool
	broken   bool
}

// newRecorder makes the recorder of one session; it records from watch on.
func (s *Server) newRecorder(session, id string) (*recorder, error) {
	r := &recorder{
		srv: s, session: session, id: id, cfg: s.cfg.Recording,
		full: make(chan fragment, maxUnwritten), done: make(chan struct{}),
	}
	for _, t := range s.model.Tracks {
		if t.Kind != Video || t.Direction != RecvOnly {
			continue
		}
		if i := slices.IndexFunc(recordable(), func(c string) bool { return slices.Contains(t.Codecs, c) }); i >= 0 {
			r.codec = recordable()[i]
		}
		break
	}
	if r.codec == "" {
		close(r.done)
		return r, nil
	}
	var err error
	if r.dir, err = os.MkdirTemp("", "sessiontest-recording-"); err != nil {
		return nil, err
	}
	for o, t := range r.tracks() {
		o.add(t)
	}
	return r, nil
}

// tracks are the first outputs of each kind.
func (r *recorder) tracks() map[*Output]recordedTrack {
	tracks := map[*Output]recordedTrack{}
	for _, kind := range []Kind{Video, Audio} {
		i := slices.IndexFunc(r.srv.model.Tracks, func(t Track) bool { return t.Direction == RecvOnly && t.Kind == kind })
		if i >= 0 {
			tracks[r.srv.outputs[r.srv.model.Tracks[i].Name]] = recordedTrack{r, kind}
		}
	}
	return tracks
}

// usable says that there is, or will be, something to fetch.
func (r *recorder) usable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.codec != "" && !r.broken
}

// watch begins, or goes on after a rest.
func (r *recorder) watch(on bool) {
	r.mu.Lock()
	r.watching = on
	r.mu.Unlock()
	for _, o := range r.srv.outputs {
		o.signal()
	}
}

// recordedTrack is one output on its way into the recording.
type recordedTrack struct {
	*recorder
	kind Kind
}

var _ viewer = recordedTrack{}

func (t recordedTrack) demand(codec string, now time.Time) (watching, keyframe bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.watching || t.finished || t.broken:
		return false, false
	case t.kind == Audio:
		return codec == "opus", false
	case codec != t.codec:
		return false, false
	}
	if (!t.begun || t.wanted || t.due()) && now.Sub(t.asked) > askAgain {
		t.asked = now
		return true, true
	}
	return true, false
}

// block lets nothing but a keyframe into a recording that has begun, and asks for one.
func (t recordedTrack) block() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kind == Video && t.begun {
		t.wanted, t.asked = true, time.Time{}
	}
}

func (t recordedTrack) offer(s Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.watching || t.finished || t.broken:
	case t.kind == Audio && s.Codec == "opus":
		t.addSound(s.Data)
	case t.kind == Video && s.Codec == t.codec && (s.Keyframe || !t.wanted):
		t.wanted = false
		t.addPicture(s)
	}
}

// clock is the media time now: the end of the last picture. r.mu is held.
func (r *recorder) clock() time.Duration {
	if r.last == nil {
		return 0
	}
	return r.last.at + r.last.long
}

// due says that the next keyframe begins a chunk. r.mu is held.
func (r *recorder) due() bool { return r.clock() >= time.Duration(r.open.index+1)*r.cfg.Chunk }

// addPicture takes a sample, from the first keyframe on. r.mu is held.
func (r *recorder) addPicture(s Sample) {
	if !r.begun {
		if !s.Keyframe || !r.begin(s) {
			return
		}
	}
	p := recorded{data: s.Data, keyframe: s.Keyframe, long: stillLength}
	if r.last != nil {
		if d := s.PTS - r.lastPTS; d > 0 && d <= longestStill {
			r.last.long = d
		}
		p.at = r.clock()
		due := r.due()
		r.open.pictures = append(r.open.pictures, *r.last)
		if due && p.keyframe {
			r.last = nil
			r.seal(p.at)
		}
	}
	r.last, r.lastPTS = &p, s.PTS
}

// begin makes the init segment. r.mu is held.
func (r *recorder) begin(s Sample) bool {
	head, err := initSegment(s.Codec, s.Data)
	if err == nil {
		err = r.write("init.mp4", head)
	}
	if err != nil {
		r.fail(err)
		return false
	}
	r.begun = true
	r.srv.journal.note(r.session, eventChunkReady, object{"recording_id": r.id, "idx": initIndex})
	return true
}

// fail gives the recording up. r.mu is held.
func (r *recorder) fail(err error) {
	r.broken = true
	r.srv.log.Error("recording given up", "recording", r.id, "err", err)
}

// seal sends the open fragment, which ends at a media time, to the disk. r.mu
// is held.
func (r *recorder) seal(end time.Duration) {
	r.fillSound(end)
	select {
	case r.full <- r.open:
		r.open = fragment{index: r.open.index + 1}
	default:
		r.fail(fmt.Errorf("the disk does not keep up"))
	}
}

// addSound puts a packet behind the sound so far, if that is where the picture
// is. r.mu is held.
func (r *recorder) addSound(packet []byte) {
	now := r.clock()
	if !r.begun || r.sounded > now+soundSlack {
		return
	}
	if r.sounded < now-soundSlack {
		r.fillSound(now)
	}
	d := opusDuration(packet)
	r.open.sound = append(r.open.sound, recorded{data: packet, at: r.sounded, long: d})
	r.sounded += d
}

// fillSound adds silence up to a media time. r.mu is held.
func (r *recorder) fillSound(to time.Duration) {
	const long = 20 * time.Millisecond
	for r.sounded+long <= to {
		r.open.sound = append(r.open.sound, recorded{data: silence(), at: r.sounded, long: long})
		r.sounded += long
	}
}

func (r *recorder) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(r.dir, name), data, 0o600)
}

// run writes fragments until the recording is finished.
func (r *recorder) run() {
	if r.codec == "" {
		return
	}
	defer close(r.done)
	for f := range r.full {
		data, err := f.marshal(r.codec)
		if err == nil {
			err = r.write(chunkName(f.index), data)
		}
		r.mu.Lock()
		if err != nil {
			r.fail(err)
		} else {
			r.written = f.index + 1
		}
		r.mu.Unlock()
		if err == nil {
			r.srv.journal.note(r.session, eventChunkReady, object{"recording_id": r.id, "idx": f.index})
		}
	}
}

// finish ends the recording: whole, with what came after the last boundary as
// its last chunk, or cut off at that boundary.
func (r *recorder) finish(whole bool) {
	if r.codec == "" {
		return
	}
	for o, t := range r.tracks() {
		o.remove(t)
	}
	r.mu.Lock()
	if !r.finished {
		r.finished = true
		if r.last != nil && whole && !r.broken {
			r.open.pictures = append(r.open.pictures, *r.last)
			r.seal(r.clock())
		}
		r.broken = r.broken || !whole
		close(r.full)
	}
	r.mu.Unlock()
	<-r.done
}

// remove deletes the files.
func (r *recorder) remove() {
	if r.dir == "" {
		return
	}
	if err := os.RemoveAll(r.dir); err != nil {
		r.srv.log.Warn("recording not removed", "recording", r.id, "err", err)
	}
}

func chunkName(index int) string { return fmt.Sprintf("chunk_%05d.m4s", index) }
