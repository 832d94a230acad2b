package session_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// album is a model that remembers the pictures it was given.
type album struct {
	mu       sync.Mutex // guards what follows
	ids      []string
	contents []string
}

func (a *album) model() sessiontest.Model {
	return sessiontest.Model{
		Name: "owner/album", Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
		Commands: []sessiontest.Command{{
			Name: "set_pictures", Open: true,
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.take(c.Args["image"])
				if more, ok := c.Args["more"].(map[string]any); ok {
					for _, v := range more["list"].([]any) {
						a.take(v)
					}
				}
				return nil, nil
			},
		}},
	}
}

func (a *album) take(v any) {
	switch v := v.(type) {
	case *sessiontest.Upload:
		a.ids, a.contents = append(a.ids, v.ID), append(a.contents, string(v.Data))
	case map[string]any:
		a.ids, a.contents = append(a.ids, v["upload_id"].(string)), append(a.contents, v["name"].(string))
	}
}

// seen returns the pictures by what is in them, and how many uploads they were.
func (a *album) seen() (contents []string, uploads int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := slices.Clone(a.ids)
	slices.Sort(ids)
	return slices.Clone(a.contents), len(slices.Compact(ids))
}

func picture(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ref.png")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file goes to a session once, and to the one that follows it again: with the
// start commands, and with what was set by hand.
func TestUploadsOnceToEachSession(t *testing.T) {
	t.Parallel()
	var a album
	srv := sessiontest.New(t, a.model())
	path := picture(t, "first")
	data, err := expr.NewValue(map[string]any{"image": map[string]any{"file": path}})
	if err == nil {
		err = data.Check(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	spec := renewing(local(srv.URL()))
	spec.Start = []config.SessionCommand{{Command: "set_pictures", Data: data}}
	s := open(t, spec)
	if err := s.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	k := keep(t, s)
	send := func(args map[string]any) {
		t.Helper()
		if _, err := s.Command(within(t), "set_pictures", args); err != nil {
			t.Fatal(err)
		}
	}
	send(map[string]any{"image": pipeline.Upload{Path: path}})
	if got, uploads := a.seen(); !slices.Equal(got, []string{"first", "first"}) || uploads != 1 {
		t.Errorf("the model got %q by %d uploads, want the same file twice by one", got, uploads)
	}
	if err := os.WriteFile(path, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	send(map[string]any{
		"image": pipeline.Upload{Path: path},
		"more":  map[string]any{"list": []any{pipeline.Upload{Name: "cut.jpg", MIMEType: "image/jpeg", Content: []byte("part")}}},
	})
	if got, uploads := a.seen(); len(got) != 4 || got[2] != "second" || uploads != 3 {
		t.Errorf("the model got %q by %d uploads, want two new ones", got, uploads)
	}

	srv.EndSessions("that was all")
	k.back(t)
	got, uploads := a.seen()
	if want := []string{"second", "second", "part"}; !cmp.Equal(lastOf(got, 3), want) || uploads != 5 {
		t.Errorf("the next session got %q by %d uploads in all, want %q by two more", lastOf(got, 3), uploads, want)
	}
	records, _ := s.Commands(0)
	ref, ok := records[len(records)-1].Args["image"].(pipeline.FileRef)
	if !ok || ref.Name != "ref.png" || ref.MIMEType != "image/png" || ref.Size != 6 {
		t.Errorf("the ledger has %+v in the place of the file", records[len(records)-1].Args["image"])
	}
}

func lastOf(list []string, n int) []string { return list[max(0, len(list)-n):] }

// An upload that never ends, and a file that is not there any more, are commands
// that failed, and say so; the next one is taken.
func TestUploadsThatFail(t *testing.T) {
	t.Parallel()
	var a album
	srv := sessiontest.New(t, a.model())
	s := open(t, local(srv.URL()))
	upload := func(content string) pipeline.Upload {
		return pipeline.Upload{Name: "a.png", Content: []byte(content)} // else the server has it already
	}
	tests := []struct {
		name   string
		upload pipeline.Upload
		fault  sessiontest.Fault
		want   string
	}{
		{"never ends", upload("1"), sessiontest.Fault{Hang: true}, "command set_pictures: image: upload of a.png is not done: no reply within 100ms"},
		{"is refused", upload("2"), sessiontest.Fault{Status: 413}, "command set_pictures: image: upload of a.png: "},
		{"is gone", pipeline.Upload{Path: "/nowhere/a.png"}, sessiontest.Fault{}, "command set_pictures: image: open /nowhere/a.png: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault.Hang || tt.fault.Status != 0 {
				srv.Fail(sessiontest.RouteUpload, tt.fault)
			}
			ctx := within(t)
			if tt.fault.Hang {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, 100*time.Millisecond, errors.New("no reply within 100ms"))
				defer cancel()
			}
			_, err := s.Command(ctx, "set_pictures", map[string]any{"image": tt.upload})
			if got := text(err); len(got) < len(tt.want) || got[:len(tt.want)] != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			records, _ := s.Commands(0)
			if last := records[len(records)-1]; last.Outcome != pipeline.CommandFailed || last.Reason == "" {
				t.Errorf("the ledger has %+v", last)
			}
			if err := srv.SetTrouble(sessiontest.Trouble{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Command(within(t), "set_pictures", map[string]any{"image": upload("after " + tt.name)}); err != nil {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}
