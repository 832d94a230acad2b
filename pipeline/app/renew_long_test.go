package app

import (
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// renewFor is how long sessions of half a minute follow each other: 5m is the long
// form, and nothing leaves it out.
var renewFor = flag.Duration("renew", 0, "`TIME` for which sessions of 30 s follow each other")

// twoFrames are what may be missing where there is room for two sessions, besides
// the time from any frame to the next.
const twoFrames = 3 * time.Second / 30

// For minutes, over sessions of half a minute, there is one unbroken picture and
// recording. What is missing is measured at each renewal: at most a second, or two
// frames where there is room for two sessions. Each renewal makes one session.
func TestRenewForMinutes(t *testing.T) {
	if *renewFor == 0 {
		t.Skip("takes minutes: -renew 5m")
	}
	for _, room := range []int{1, 2} {
		t.Run(map[int]string{1: "one after the other", 2: "beside each other"}[room], func(t *testing.T) {
			var model told
			srv := serve(t, func(c *sessiontest.Config) { c.MaxSessions = room }, model.note)
			session := "model: reactor/x2\n  api_key: key\n  limit: 30s\n  renew: {before: 8s}"
			path := write(t, "p.yaml", strings.ReplaceAll(lasting, "SESSION", session))
			dir := filepath.Dir(path)
			summary := filepath.Join(dir, "s.json")
			v := invocation{env: map[string]string{"REACTOR_API_URL": srv.URL()}}
			if code := v.mainUntil(t.Context(), "run", path, "--summary", summary, "--duration", renewFor.String()); code != exitDone {
				t.Fatalf("exit %d:\n%s", code, v.err.String())
			}
			sessions, _, commands := model.seen()
			s := readSummary(t, summary)
			renewals := int(s["renewals"].(float64))
			if least := int(*renewFor/(30*time.Second)) - 1; renewals < least || sessions-renewals-1 > 1 || s["reconnects"] != 0.0 {
				t.Errorf("%d sessions for %d renewals; want at least %d, one for each", sessions, renewals, least)
			}
			bar := map[int]time.Duration{1: time.Second, 2: twoFrames}[room]
			for _, gap := range regexp.MustCompile(`the picture of the next session.* gap=(\S+)`).FindAllStringSubmatch(v.err.String(), -1) {
				took, err := time.ParseDuration(gap[1])
				t.Logf("without a picture for %s", gap[1])
				if err != nil || took > bar {
					t.Errorf("gap %s, want at most %s", gap[1], bar)
				}
			}
			if t.Failed() {
				t.Log(v.err.String())
			}
			wantSetAgain(t, commands)
			wantUnbroken(t, filepath.Join(dir, "events.jsonl"), filepath.Join(dir, "video.mp4"))
		})
	}
}
