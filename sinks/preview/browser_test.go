package preview_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/preview"
)

var keep = flag.String("screenshot", "", "file to write the screenshot of the page to")

// patience bounds what the page is waited for; only a failure takes so long.
const patience = 2 * time.Minute

// browser is a headless Chromium, spoken to over its debugging pipe: messages
// of the DevTools protocol, each ended by a zero byte.
type browser struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	session string
	sent    int
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := findBrowser(t)
	fromTest, in := pipe(t)
	out, toTest := pipe(t)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--window-size=1400,860", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{fromTest, toTest} // its 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = fromTest.Close(), toTest.Close()
	b := &browser{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		defer cancel()
		b.session = ""
		b.call("Browser.close", nil)
		if err := cmd.Wait(); err != nil {
			t.Logf("browser: %v", err)
		}
	})
	return b
}

func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium on this machine: the page is not looked at")
	return ""
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// call sends a command and returns its result.
func (b *browser) call(method string, params map[string]any) json.RawMessage {
	b.t.Helper()
	b.sent++
	request := map[string]any{"id": b.sent, "method": method, "params": params}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	message, err := json.Marshal(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(message, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		message, err := b.out.ReadBytes(0)
		if err != nil {
			b.t.Fatal(err)
		}
		var reply struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(bytes.TrimRight(message, "\x00"), &reply); err != nil {
			b.t.Fatal(err)
		}
		if reply.ID != b.sent {
			continue // an event
		}
		if reply.Error != nil {
			b.t.Logf("%s: %s", method, reply.Error.Message) // say, the page went on to another
			return json.RawMessage("{}")
		}
		return reply.Result
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	var target struct{ TargetID string }
	b.decode(b.call("Target.createTarget", map[string]any{"url": url}), &target)
	var attached struct{ SessionID string }
	b.decode(b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}), &attached)
	b.session = attached.SessionID
}

// wait evaluates an expression until it is true. The page may still be loading.
func (b *browser) wait(expression string) {
	b.t.Helper()
	look := fmt.Sprintf(`new Promise(done => {
		let is = false;
		try { is = (%s); } catch {}
		setTimeout(() => done(is), is ? 0 : 50);
	})`, expression)
	for began := time.Now(); time.Since(began) < patience; {
		var got struct{ Result struct{ Value any } }
		b.decode(b.call("Runtime.evaluate", map[string]any{"expression": look, "awaitPromise": true}), &got)
		if got.Result.Value == true {
			return
		}
	}
	b.t.Errorf("still not so after %v: %s", patience, expression)
}

func (b *browser) screenshot() []byte {
	b.t.Helper()
	var shot struct{ Data string }
	b.decode(b.call("Page.captureScreenshot", map[string]any{"format": "png"}), &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}

func (b *browser) decode(data json.RawMessage, v any) {
	b.t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		b.t.Fatal(err)
	}
}

func TestPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	sink, session, url := open(t, preview.Default(), new(bytes.Buffer))
	defer feed(t, sink, 320, 180)()
	session.Note(pipeline.CommandRecord{
		Time: time.Now(), Command: "set_prompt", Args: map[string]any{"prompt": "a crowd of 4 <b>people</b>"},
		Outcome: pipeline.CommandSent, Reply: pipeline.Reply{Type: "prompt_accepted"}, RoundTrip: 12 * time.Millisecond,
		Cause: pipeline.Cause{
			Node: "steer", Stream: "cam", Seq: 42,
			Frame: json.RawMessage(`{"annotations": {"people": {"detections": [{}, {}, {}, {}]}}}`),
		},
	})
	b.open(url)
	b.wait(`document.getElementById("picture").naturalWidth === 320`)
	b.wait(`document.getElementById("none").hidden`)
	b.wait(`document.getElementById("badge").textContent === "live"`)
	b.wait(`document.querySelector("#stages .count").textContent === "3"`)
	b.wait(`document.querySelector("#commands .args").textContent === 'prompt: "a crowd of 4 <b>people</b>"'`)
	b.wait(`document.querySelector("#commands .why").textContent === "steer, cam #42 · people: 4 detections · 12.0 ms · reply prompt_accepted"`)
	session.Note(pipeline.CommandRecord{
		Time: time.Now(), Command: "set_speed", Args: map[string]any{"speed": 99}, Outcome: pipeline.CommandRefused, Reason: "speed must be at most 10",
	})
	b.wait(`document.querySelector("#commands .tag").textContent === "refused"`)
	picture := b.screenshot()
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil || size.Width != 1400 {
		t.Errorf("screenshot: %v, %v", size, err)
	}
	if *keep != "" {
		if err := os.WriteFile(*keep, picture, 0o644); err != nil {
			t.Error(err)
		}
	}
	if err := sink.Close(); err == nil {
		b.wait(`document.getElementById("badge").textContent === "not reachable"`)
	}
}
