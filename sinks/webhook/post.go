package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/sinks/internal/outbox"
)

const (
	// idHeader holds what is the same when a request is sent again.
	idHeader = "Idempotency-Key"
	// signatureHeader holds the HMAC of the body.
	signatureHeader = "X-Reactorpipe-Signature"
	// mostAnswer is what is read of a server's answer, in bytes: enough to say
	// in the log what it complains of.
	mostAnswer = 512
)

// poster posts messages.
type poster struct {
	cfg    Config
	client *http.Client
	now    func() time.Time
}

// deliver posts a batch: all of it is taken, or nothing.
func (p *poster) deliver(ctx context.Context, batch []outbox.Message) (int, error) {
	req, err := p.request(ctx, batch)
	if err != nil {
		return 0, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, withoutURL(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err := p.judge(resp, answer, len(batch)); err != nil {
		return 0, err
	}
	return len(batch), nil
}

func (p *poster) request(ctx context.Context, batch []outbox.Message) (*http.Request, error) {
	body := p.body(batch)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("no request can be made of the url")
	}
	req.Header.Set("User-Agent", "reactorpipe")
	for name, value := range p.cfg.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(idHeader, batch[0].ID)
	if p.cfg.Secret != "" {
		mac := hmac.New(sha256.New, []byte(p.cfg.Secret))
		mac.Write(body)
		req.Header.Set(signatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return req, nil
}

// body returns a message as it is, or several as a list.
func (p *poster) body(batch []outbox.Message) []byte {
	if p.cfg.Batch == 0 {
		return batch[0].Body
	}
	bodies := make([][]byte, len(batch))
	for i, m := range batch {
		bodies[i] = m.Body
	}
	return append(append([]byte("["), bytes.Join(bodies, []byte(","))...), ']')
}

// judge says what an answer means.
func (p *poster) judge(resp *http.Response, answer []byte, n int) error {
	status := resp.StatusCode
	if 200 <= status && status < 300 {
		return nil
	}
	err := fmt.Errorf("the server answers %s", resp.Status)
	if text := strings.Join(strings.Fields(strings.ToValidUTF8(string(answer), "")), " "); text != "" && status >= 400 {
		err = fmt.Errorf("%w: %s", err, text)
	}
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		if after, ok := p.retryAfter(resp.Header.Get("Retry-After")); ok {
			return &outbox.Later{After: after, Err: err}
		}
		return err
	case status >= 400:
		return &outbox.Refused{Count: n, Err: err}
	}
	return err // a redirect, which is not followed
}

// retryAfter reads a header of RFC 9110 §10.2.3: seconds or a date.
func (p *poster) retryAfter(text string) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true //nolint:gosec // 31 bits
	}
	at, err := http.ParseTime(text)
	return at.Sub(p.now()), err == nil
}

// withoutURL takes the URL out of an error, for it may hold a secret.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
