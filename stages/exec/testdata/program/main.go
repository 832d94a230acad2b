// Program program is what the tests of exec run, each time as the program whose
// name they give it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() { programs()[os.Args[1]](newPeer()) }

// peer is the stage as a program sees it.
type peer struct {
	lines  *bufio.Scanner
	socket *os.File
	memory []byte
}

type told struct {
	Type    string
	Seq     uint64
	Reset   string
	Memory  int
	Picture struct{ Width, Height, Stride int }
	Frame   json.RawMessage
}

func newPeer() *peer {
	p := &peer{socket: os.NewFile(3, "stage")}
	p.lines = bufio.NewScanner(p.socket)
	p.lines.Buffer(nil, 1<<20)
	return p
}

func (p *peer) next() told {
	if !p.lines.Scan() {
		os.Exit(0)
	}
	var t told
	if err := json.Unmarshal(p.lines.Bytes(), &t); err != nil {
		panic(err)
	}
	return t
}

func (p *peer) say(format string, args ...any) { fmt.Fprintf(p.socket, format+"\n", args...) }

// begin says that the program is ready.
func (p *peer) begin() {
	hello := p.next()
	if hello.Memory > 0 {
		var err error
		if p.memory, err = unix.Mmap(4, 0, hello.Memory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
			panic(err)
		}
	}
	p.say(`{"type":"ready"}`)
}

// answer answers each frame by what reply makes of it.
func (p *peer) answer(reply func(told) string) {
	p.begin()
	for {
		q := p.next()
		p.say(`{"type":"result","seq":%d%s}`, q.Seq, reply(q))
	}
}

// hoard takes megabytes by themselves, or dies. What Go's heap takes of addresses
// that it has reserved is not always held against it (RLIMIT_DATA, MAP_FIXED).
func hoard(megabytes int) {
	for range megabytes {
		if _, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
			fmt.Fprintln(os.Stderr, "no memory:", err)
			os.Exit(1)
		}
	}
}

// forever sleeps: Go ends a program of which nothing can ever wake.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

// programs are those that the tests run, by name.
func programs() map[string]func(*peer) {
	fine := func(told) string { return "" }
	return map[string]func(*peer){
		"fine": func(p *peer) { p.answer(fine) },
		"measures": func(p *peer) {
			p.answer(func(q told) string {
				return fmt.Sprintf(`,"measurements":{"width":%d,"height":%d,"first":%d}`, q.Picture.Width, q.Picture.Height, p.memory[0])
			})
		},
		"inverts": func(p *peer) {
			p.answer(func(q told) string {
				for i := range p.memory[:q.Picture.Height*q.Picture.Stride] {
					p.memory[i] = ^p.memory[i]
				}
				return `,"pixels":true`
			})
		},
		"sees": func(p *peer) {
			p.answer(func(q told) string {
				fmt.Printf("frame %s reset %q\n", q.Frame, q.Reset)
				return `,"detections":[{"box":{"x":1,"y":2,"width":3,"height":4},"label":"cat","score":0.5}],` +
					`"events":[{"name":"seen","data":{"n":1}}],"texts":[{"text":"EXIT","box":{"x":0,"y":0,"width":1,"height":1},"score":1}]`
			})
		},
		"drops": func(p *peer) { p.answer(func(told) string { return `,"drop":true` }) },
		"fails": func(p *peer) { p.answer(func(told) string { return `,"error":"ValueError: too dark\n  and more"` }) },
		"dies": func(p *peer) {
			p.begin()
			for q := p.next(); q.Seq%2 == 0; q = p.next() {
				p.say(`{"type":"result","seq":%d}`, q.Seq)
			}
			fmt.Fprintln(os.Stderr, "out of luck")
			os.Exit(3)
		},
		"hoards": func(p *peer) {
			p.begin()
			for {
				q := p.next()
				if q.Seq == 1 {
					hoard(512)
				}
				p.say(`{"type":"result","seq":%d}`, q.Seq)
			}
		},
		"dies at once": func(*peer) { os.Exit(4) },
		"hangs": func(p *peer) {
			p.begin()
			for q := p.next(); q.Seq != 1; q = p.next() {
				p.say(`{"type":"result","seq":%d}`, q.Seq)
			}
			forever()
		},
		"never listens": func(p *peer) {
			p.begin()
			forever()
		},
		"never ready": func(*peer) { forever() },
		"will not go": func(p *peer) {
			signal.Ignore(syscall.SIGTERM)
			p.begin()
			q := p.next()
			p.say(`{"type":"result","seq":%d}`, q.Seq)
			forever()
		},
		"prints": func(p *peer) {
			const line = "la la la la la la la la la la la la la la\n"
			fmt.Print(strings.Repeat(line, 500)) // before it answers: a pipe holds that much
			go func() {
				for {
					fmt.Print(line)
				}
			}()
			p.answer(fine)
		},
		"floods": func(p *peer) {
			p.begin()
			for {
				p.say(`{"type":"result","seq":77}`)
			}
		},
		"never ends a line": func(p *peer) {
			p.begin()
			q := p.next()
			_, _ = io.WriteString(p.socket, strings.Repeat("x", 2<<20))
			p.say(`{"type":"result","seq":%d}`, q.Seq)
			forever()
		},
		"stammers": func(p *peer) {
			p.begin()
			for {
				q := p.next()
				p.say(`hm`)
				p.say(`[]`)
				p.say(`{"type":"resutl"}`)
				p.say(`{"type":"result","seq":%d}`, q.Seq+1)
				p.say(`{"type":"command","command":"x","date":{}}`)
				p.say(`{"type":"ready"}`)
				p.say(`{"type":"result","seq":%d}`, q.Seq)
			}
		},
		"spells":       func(p *peer) { p.answer(func(told) string { return `,"detection":[]` }) },
		"mistakes":     func(p *peer) { p.answer(func(told) string { return `,"detections":{"x":1}` }) },
		"oversteps":    func(p *peer) { p.answer(func(told) string { return `,"texts":[]` }) },
		"writes at it": func(p *peer) { p.answer(func(told) string { return `,"pixels":true` }) },
		"cuts short": func(p *peer) {
			p.answer(func(told) string {
				fmt.Println("truncate:", unix.Ftruncate(4, 0))
				return ""
			})
		},
		"has a child": func(p *peer) {
			cmd := exec.Command("sleep", "1000")
			if err := cmd.Start(); err != nil {
				panic(err)
			}
			fmt.Println("child", cmd.Process.Pid)
			p.answer(fine)
		},
		"commands": func(p *peer) {
			p.answer(func(q told) string {
				p.say(`{"type":"command","command":"set_prompt","data":{"prompt":"frame %d"}}`, q.Seq)
				p.say(`{"type":"command","command":"reset"}`)
				return ""
			})
		},
		"tells": func(p *peer) {
			fmt.Println(os.Getenv("REACTORPIPE_STAGE"), os.Getenv("COLOR"), os.Getenv("REACTOR_API_KEY") == "")
			wd, _ := os.Getwd()
			fmt.Println("in", wd)
			var most unix.Rlimit
			_ = unix.Getrlimit(unix.RLIMIT_DATA, &most)
			nice, _ := unix.Getpriority(unix.PRIO_PROCESS, 0)
			var cpus unix.CPUSet
			_ = unix.SchedGetaffinity(0, &cpus)
			fmt.Println("memory", most.Cur, "nice", 20-nice, "cpus", cpus.Count())
			p.answer(fine)
		},
	}
}
