package wandb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// slowest is how many bytes a second an upload must make, or it is begun anew.
const slowest = 1 << 20

// Upload puts size bytes to a signed address that the server gave, with the headers
// that came with it ("Name:value"). open is called for each try. The address is a
// credential of its own: nothing else goes with it, and no error tells it.
func (c *Client) Upload(ctx context.Context, address string, headers []string, size int64, open func() (io.ReadCloser, error)) error {
	ctx, address = c.place(ctx, address)
	limit := attemptTime + time.Duration(size/slowest)*time.Second
	_, err := retryFor(ctx, limit, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.put(ctx, address, headers, size, open)
	})
	return err
}

func (c *Client) put(ctx context.Context, address string, headers []string, size int64, open func() (io.ReadCloser, error)) error {
	body := io.ReadCloser(http.NoBody)
	if size > 0 {
		var err error
		if body, err = open(); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, address, body)
	if err != nil {
		body.Close()
		return c.fail(BadAnswer, "upload", "the server gave an address that is none")
	}
	r.ContentLength = size
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	res, err := c.files.Do(r)
	if err != nil {
		return c.unsent("upload", err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	if res.StatusCode/100 == 2 {
		return nil
	}
	e := c.fail(statusKind(res.StatusCode), "upload to "+hostOf(address), "%s", c.hide(clean(string(text))))
	e.Status = res.StatusCode
	// An expired address is no refusal: the next try asks for another.
	if e.Kind == Forbidden || e.Kind == Unauthorized || e.Kind == NotFound || e.Kind == BadAnswer {
		e.Kind = Unreachable
	}
	if res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusBadRequest {
		return e
	}
	return &again{err: e, wait: waitAfter(res.Header, time.Now())}
}

// unsent is an error of the network.
func (c *Client) unsent(op string, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	kind, words := networkError(err)
	return &again{err: c.fail(kind, op, "%s", words)}
}

// hostOf returns what of a signed address may be told.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the file store"
	}
	return u.Host
}

// FinishRun ends a run of ours, which W&B would take for crashed some time after.
func (c *Client) FinishRun(ctx context.Context, entity, project, run string, exit int) error {
	body, err := json.Marshal(map[string]any{"complete": true, "exitcode": exit})
	if err != nil {
		return err
	}
	address := c.config.BaseURL + "/files/" + url.PathEscape(entity) + "/" + url.PathEscape(project) + "/" + url.PathEscape(run) + "/file_stream"
	_, err = retry(ctx, func(ctx context.Context) (struct{}, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return struct{}{}, c.fail(BadAnswer, "FinishRun", "%s", clean(err.Error()))
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := c.api.Do(r)
		if err != nil {
			return struct{}{}, c.unsent("FinishRun", err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if res.StatusCode/100 == 2 {
			return struct{}{}, nil
		}
		said, _ := serverSays(text)
		e := c.fail(statusKind(res.StatusCode), "FinishRun", "%s", c.hide(said))
		e.Status = res.StatusCode
		if !retryable(e.Kind, e.Status) {
			return struct{}{}, e
		}
		return struct{}{}, &again{err: e, wait: waitAfter(res.Header, time.Now())}
	})
	return err
}

// AppURL returns the address, for people, of the server whose API is at base: W&B's
// SDK has this rule.
func AppURL(base string) string {
	for _, sub := range []struct{ from, to string }{
		{"://api.wandb.test", "://app.wandb.test"}, {"://api.wandb.", "://wandb."}, {"://api.", "://app."},
	} {
		if strings.Contains(base, sub.from) {
			return strings.Trim(strings.Replace(base, sub.from, sub.to, 1), "/")
		}
	}
	return base
}
