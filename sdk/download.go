package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// DownloadConfig says how a clip is downloaded.
type DownloadConfig struct {
	// Token goes to the host of the playlist, and to no other. A session brings
	// its own.
	Token string
	// ReadyTimeout is how long to wait for a clip beyond [Clip.ReadyAt]. Default:
	// 60 s. While a session lives it waits for its clips without a limit.
	ReadyTimeout time.Duration
	// Progress, if set, is called after each segment with how many are done, of
	// how many.
	Progress func(done, total int)
}

// Bounds of a download. A segment is a few seconds of media and is held in
// memory until it is whole.
const (
	readyTimeout   = 60 * time.Second
	maxSegment     = 256 << 20
	segmentTimeout = 5 * time.Minute
	segmentTries   = 3
	segmentPause   = 500 * time.Millisecond
)

// How long to wait between two looks whether a clip is there, as far as the
// server has a say in it.
const (
	firstClipPause = 200 * time.Millisecond
	longClipPause  = 2 * time.Second
)

// Download waits for a clip and writes it to w as one fragmented MP4 file. What
// was written when it fails is a playable beginning. It works on a session that
// is over, too.
func (s *Session) Download(ctx context.Context, clip Clip, w io.Writer, cfg DownloadConfig) error {
	defer func() {
		if s.Err() != nil {
			s.api.close()
		}
	}()
	return s.api.download(ctx, clip, w, cfg, s.ended)
}

// Download waits for a clip and writes it to w, without a session: see
// [Session.Download].
func Download(ctx context.Context, clip Clip, w io.Writer, cfg DownloadConfig) error {
	u, err := webURL(clip.PlaylistURL, nil)
	if err != nil {
		return gpuErrorf(CodePlaylist, opDownload, "playlist: %v", err)
	}
	a := newAPI(Config{BaseURL: origin(u), Token: cfg.Token, Logger: slog.New(slog.DiscardHandler)})
	defer a.close()
	over := make(chan struct{})
	close(over)
	return a.download(ctx, clip, w, cfg, over)
}

const opDownload = "download_clip"

func (a *api) download(ctx context.Context, clip Clip, w io.Writer, cfg DownloadConfig, over <-chan struct{}) error {
	playlist, err := webURL(clip.PlaylistURL, nil)
	if err != nil {
		return gpuErrorf(CodePlaylist, opDownload, "playlist: %v", err)
	}
	text, err := a.awaitPlaylist(ctx, playlist, clip.ReadyAt, cfg.ReadyTimeout, over)
	if err != nil {
		return err
	}
	parts, err := parsePlaylist(text, playlist)
	if err != nil {
		return gpuErrorf(CodePlaylist, opDownload, "playlist: %v", err)
	}
	for i, part := range parts {
		b, err := a.segment(ctx, fmt.Sprintf("segment %d of %d", i+1, len(parts)), part)
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("%s: %w", opDownload, err)
		}
		if cfg.Progress != nil {
			cfg.Progress(i+1, len(parts))
		}
	}
	return nil
}

// awaitPlaylist asks for the playlist until it is there: without a limit until
// over is closed, for media time goes on, and then for the timeout.
func (a *api) awaitPlaylist(ctx context.Context, u *url.URL, ready time.Time, timeout time.Duration, over <-chan struct{}) ([]byte, error) {
	if timeout <= 0 {
		timeout = readyTimeout
	}
	var deadline time.Time
	stumbles := 0
	for {
		got, err := a.get(ctx, exchange{op: opDownload, hop: "playlist", timeout: requestTimeout}, u, maxPlaylist)
		e := passing(ctx, err)
		switch {
		case e != nil && stumbles < sessionStumbles:
			stumbles++
			got.wait = max(longClipPause, e.RetryAfter)
		case err != nil:
			return nil, gone(err)
		case got.status != http.StatusAccepted:
			return got.body, nil
		default:
			stumbles = 0
		}
		if deadline.IsZero() && isClosed(over) {
			deadline = time.Now().Add(max(time.Until(ready), 0) + timeout)
		}
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return nil, &Error{
					Code: CodeTimeout, Component: componentAPI, Operation: opDownload, Recoverable: true,
					Message: fmt.Sprintf("timed out: the clip was not ready %s after it was to be", timeout),
				}
			}
			got.wait = min(got.wait, left)
		}
		if err := pause(ctx, got.wait, opDownload); err != nil {
			return nil, err
		}
	}
}

// segment fetches one part, more than once if that may help.
func (a *api) segment(ctx context.Context, hop string, u *url.URL) ([]byte, error) {
	for try := 1; ; try++ {
		got, err := a.get(ctx, exchange{op: opDownload, hop: hop, timeout: segmentTimeout}, u, maxSegment)
		e := passing(ctx, err)
		if e == nil || try == segmentTries {
			return got.body, gone(err)
		}
		if err := pause(ctx, max(segmentPause, e.RetryAfter), opDownload); err != nil {
			return nil, err
		}
	}
}

// gone names what the server no longer keeps.
func gone(err error) error {
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusGone || e.Status == http.StatusNotFound) {
		e.Code = CodeClipGone
	}
	return err
}

// fetched is what a download's request brought.
type fetched struct {
	status int
	body   []byte
	wait   time.Duration // before the next look
}

// get fetches bytes, up to a limit. The token is for our own host alone: others,
// which have signed addresses, refuse it.
func (a *api) get(ctx context.Context, x exchange, u *url.URL, limit int64) (fetched, error) {
	x.at = origin(u)
	if !a.isOurs(u) {
		return a.fetch(ctx, x, u, "", limit)
	}
	var got fetched
	_, err := a.withToken(ctx, x.op, func(token string) (int, error) {
		var err error
		got, err = a.fetch(ctx, x, u, token, limit)
		return got.status, err
	})
	return got, err
}

func (a *api) fetch(ctx context.Context, x exchange, u *url.URL, token string, limit int64) (fetched, error) {
	out := fetched{wait: longClipPause}
	ctx, cancel := context.WithTimeoutCause(ctx, x.timeout, errRequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return out, &Error{Code: CodePlaylist, Component: componentAPI, Operation: x.op, Message: x.hop + ": not an address"}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return out, a.transportError(ctx, x, err)
	}
	defer drain(resp.Body)
	out.status = resp.StatusCode
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return out, a.statusError(x, resp)
	}
	out.wait = clipPause(resp.Header.Get("Retry-After"))
	if out.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1)); err != nil {
		return out, a.transportError(ctx, x, err)
	}
	if int64(len(out.body)) > limit {
		return out, &Error{Code: CodePlaylist, Component: componentAPI, Operation: x.op, Message: fmt.Sprintf("%s: more than %d bytes", x.hop, limit)}
	}
	return out, nil
}

// clipPause reads a Retry-After header within bounds.
func clipPause(s string) time.Duration {
	if wait := retryAfter(s); wait > 0 || s == "0" {
		return min(max(wait, firstClipPause), longClipPause)
	}
	return longClipPause
}

// origin is an address without what may be secret in it.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// isOurs says that an address is on the host that the token is for.
func (a *api) isOurs(u *url.URL) bool {
	base, err := url.Parse(a.base)
	return err == nil && u.Scheme == base.Scheme && u.Host == base.Host
}
