package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// adminFlags say where a running program is.
type adminFlags struct {
	addr      string
	tokenFile string
}

func (f *adminFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.addr, "admin", defaultAdmin, "the program's admin port is `ADDR`")
	c.Flags().StringVar(&f.tokenFile, "token-file", "", "the admin port's token is in `FILE`")
}

// remote is the admin port of a running program.
type remote struct {
	addr, token string
	client      *http.Client
}

func newRemote(f adminFlags) (*remote, error) {
	if _, _, err := net.SplitHostPort(f.addr); err != nil {
		return nil, &usageError{fmt.Errorf("--admin: must be host:port, got %q", f.addr)}
	}
	r := &remote{addr: f.addr, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if f.tokenFile == "" {
		return r, nil
	}
	var err error
	r.token, err = readToken("--token-file", f.tokenFile)
	return r, err
}

// remotePipeline is a pipeline of a running program, and one of its sessions.
type remotePipeline struct {
	*remote
	name, session string
}

func (r *remote) pipeline(name, session string) *remotePipeline {
	return &remotePipeline{r, name, session}
}

// schema returns the model's schema; nil where the model has none to tell.
func (r *remotePipeline) schema(ctx context.Context) (*sdk.Schema, error) {
	var document json.RawMessage
	err := r.do(ctx, http.MethodGet, r.path("schema", nil), nil, &document)
	var failed *remoteError
	if errors.As(err, &failed) && failed.status == http.StatusBadGateway {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	schema, err := sdk.ParseSchema(document)
	if err != nil {
		return nil, nil //nolint:nilerr // values are guessed, as without a schema
	}
	return schema, nil
}

// names returns the names of the pipelines.
func (r *remote) names(ctx context.Context) (names []string, err error) {
	var list pipelineList
	if err := r.do(ctx, http.MethodGet, "/v1/pipelines", nil, &list); err != nil {
		return nil, err
	}
	for _, p := range list.Pipelines {
		names = append(names, p.Name)
	}
	return names, nil
}

// upload gives the model a file of this machine.
func (r *remotePipeline) upload(ctx context.Context, path string) (ref pipeline.FileRef, err error) {
	f, err := os.Open(path)
	if err != nil {
		return ref, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ref, err
	}
	body := &payload{Reader: f, size: info.Size(), kind: mime.TypeByExtension(filepath.Ext(path))}
	err = r.do(ctx, http.MethodPost, r.path("uploads", url.Values{"name": {filepath.Base(path)}}), body, &ref)
	return ref, err
}

// send sends a command and waits for the reply.
func (r *remotePipeline) send(ctx context.Context, c commandRequest) (reply commandReply, err error) {
	text, err := json.Marshal(c)
	if err != nil {
		return reply, err
	}
	body := &payload{Reader: bytes.NewReader(text), size: int64(len(text)), kind: "application/json"}
	err = r.do(ctx, http.MethodPost, "/v1/pipelines/"+url.PathEscape(r.name)+"/commands", body, &reply)
	return reply, err
}

func (r *remotePipeline) path(page string, query url.Values) string {
	if query == nil {
		query = make(url.Values)
	}
	if r.session != "" {
		query.Set("session", r.session)
	}
	return "/v1/pipelines/" + url.PathEscape(r.name) + "/" + page + "?" + query.Encode()
}

// payload is what a request brings.
type payload struct {
	io.Reader
	size int64
	kind string // MIME type; "" leaves it to the daemon
}

// remoteError is an answer of the daemon that is no success.
type remoteError struct {
	status int
	problem
}

func (e *remoteError) Error() string { return e.problem.Error }

// do asks the daemon and reads its answer into out.
func (r *remote) do(ctx context.Context, method, path string, body *payload, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.addr+path, http.NoBody)
	if err != nil {
		return &usageError{fmt.Errorf("--admin: %w", err)}
	}
	if body != nil {
		request.Body, request.ContentLength = io.NopCloser(body), body.size
		if body.kind != "" {
			request.Header.Set("Content-Type", body.kind)
		}
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return r.unreachable(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusMultipleChoices {
		return problemOf(answer)
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("admin port %s: %w", r.addr, err)
	}
	return nil
}

func (r *remote) unreachable(err error) error {
	if reason, ok := errors.AsType[*url.Error](err); ok {
		err = reason.Err
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("admin port %s: nobody listens there (is reactorpipe run under way, and on that port? see --admin)", r.addr)
	}
	return fmt.Errorf("admin port %s: %w", r.addr, err)
}

// problemOf reads why the daemon refuses, and says whether another try can help.
func problemOf(answer *http.Response) error {
	failed := &remoteError{status: answer.StatusCode}
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostCommand))
	if err != nil || json.Unmarshal(text, &failed.problem) != nil || failed.problem.Error == "" {
		failed.problem.Error = "the admin port answers " + answer.Status
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		return &tokenError{failed}
	case answer.StatusCode == http.StatusNotFound, answer.StatusCode == http.StatusBadRequest,
		failed.Code == "invalid_command":
		return &configError{failed}
	case failed.Code != "":
		failed.problem.Error = fmt.Sprintf("refused (%s): %s", failed.Code, failed.problem.Error)
	}
	return failed
}
