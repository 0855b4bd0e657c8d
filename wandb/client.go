package wandb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Khan/genqlient/graphql"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// Client speaks to one W&B server. It is safe for concurrent use.
type Client struct {
	config Config
	api    *http.Client // the server itself
	files  *http.Client // signed addresses

	pace pace

	trouble atomic.Pointer[Error] // what the last attempt met, if it can pass

	mu       sync.Mutex // guards what follows
	entity   string
	features map[string]bool
}

var _ graphql.Client = (*Client)(nil)

// NewClient returns a client. It asks the server nothing: a mount must come up
// while the server is down.
func NewClient(c Config) (*Client, error) {
	c, base, err := c.complete()
	if err != nil {
		return nil, err
	}
	t := &transport{base: base, config: c, next: newRoundTripper()}
	files := &transport{base: base, config: c, next: t.next, files: true}
	return &Client{
		config: c,
		entity: c.Entity,
		api:    &http.Client{Transport: t, CheckRedirect: t.sameServer},
		files:  &http.Client{Transport: files, CheckRedirect: fewRedirects},
	}, nil
}

// Server returns the server's address.
func (c *Client) Server() string { return c.config.BaseURL }

// Project returns the configured project's name.
func (c *Client) Project() string { return c.config.Project }

// String returns the server and the project, for messages.
func (c *Client) String() string { return c.Server() + ", " + c.about() }

// about returns ENTITY/PROJECT as far as it is known.
func (c *Client) about() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entity == "" {
		return c.config.Project
	}
	return c.entity + "/" + c.config.Project
}

// Entity returns the configured entity, or else the one that the key's user has by
// default.
func (c *Client) Entity(ctx context.Context) (string, error) {
	c.mu.Lock()
	entity := c.entity
	c.mu.Unlock()
	if entity != "" {
		return entity, nil
	}
	r, err := gql.Viewer(ctx, c)
	if err != nil {
		return "", err
	}
	if r.Viewer == nil {
		return "", &Error{Kind: Unauthorized, Server: c.Server(), Op: "Viewer", Status: http.StatusUnauthorized, Text: "the server knows no user of this key"}
	}
	if entity = r.Viewer.Entity; entity == "" {
		entity = r.Viewer.Username
	}
	if entity == "" {
		return "", c.fail(Forbidden, "Viewer", "the key's user has no default entity; set WANDB_ENTITY")
	}
	c.mu.Lock()
	c.entity = entity
	c.mu.Unlock()
	return entity, nil
}

// Has reports whether the server has a feature. It asks once; a server that does
// not know the question has none.
func (c *Client) Has(ctx context.Context, feature string) (bool, error) {
	c.mu.Lock()
	known := c.features
	c.mu.Unlock()
	if known != nil {
		return known[feature], nil
	}
	r, err := gql.ServerFeatures(ctx, c)
	if err != nil && !IsKind(err, BadAnswer) {
		return false, err
	}
	known = make(map[string]bool)
	if err == nil && r.ServerInfo != nil {
		for _, f := range r.ServerInfo.Features {
			known[f.Name] = f.IsEnabled
		}
	}
	c.mu.Lock()
	c.features = known
	c.mu.Unlock()
	return known[feature], nil
}

// fail returns an error of this server.
func (c *Client) fail(k Kind, op, format string, args ...any) *Error {
	return &Error{Kind: k, Server: c.Server(), About: c.about(), Op: op, Text: fmt.Sprintf(format, args...)}
}

// maxAnswer bounds what is read of an answer. File lists have 5,000 entries at most.
const maxAnswer = 64 << 20

// MakeRequest sends a document, as often as it takes within the deadline.
func (c *Client) MakeRequest(ctx context.Context, req *graphql.Request, resp *graphql.Response) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("document %s: %w", req.OpName, err)
	}
	_, err = retry(ctx, func(ctx context.Context) (struct{}, error) {
		err := c.post(ctx, req.OpName, body, resp)
		var passing *again
		if errors.As(err, &passing) {
			c.trouble.Store(passing.err)
		} else {
			c.trouble.Store(nil)
		}
		return struct{}{}, err
	})
	return err
}

// post sends a document once.
func (c *Client) post(ctx context.Context, op string, body []byte, resp *graphql.Response) error {
	if !c.pace.wait(ctx) {
		return c.fail(RateLimited, op, "the server's limit of requests is reached; it is asked again later")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.BaseURL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return c.fail(BadAnswer, op, "%s", clean(err.Error()))
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	res, err := c.api.Do(r)
	if errors.Is(err, errRedirect) {
		return c.fail(BadAnswer, op, "%v", errRedirect)
	}
	var text []byte
	if err == nil {
		defer res.Body.Close()
		c.pace.heard(res.Header, time.Now())
		text, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	}
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case err != nil:
		kind, words := networkError(err)
		var dialing *net.OpError
		return &again{err: c.fail(kind, op, "%s", words), dial: errors.As(err, &dialing) && dialing.Op == "dial"}
	case len(text) > maxAnswer:
		return c.fail(BadAnswer, op, "the answer is larger than %d MiB", maxAnswer>>20)
	}
	return c.answer(op, res, text, resp)
}

// answer reads an answer. Errors come with a status, or beside it in the text.
func (c *Client) answer(op string, res *http.Response, text []byte, resp *graphql.Response) error {
	said, isJSON := serverSays(text)
	said = c.hide(said)
	if res.StatusCode/100 != 2 {
		e := c.fail(statusKind(res.StatusCode), op, "%s", said)
		e.Status = res.StatusCode
		if e.Kind == NotFound && !isJSON {
			e.Kind, e.Text = BadAnswer, "there is no W&B server at this address; check WANDB_BASE_URL"
		} else if said == "" {
			e.Text = "the server gives no reason"
		}
		if !retryable(e.Kind, e.Status) && !(e.Kind == Conflict && op == "UpsertRun") {
			return e
		}
		return &again{err: e, wait: waitAfter(res.Header, time.Now())}
	}
	if said != "" {
		return c.fail(BadAnswer, op, "%s", said)
	}
	if err := json.Unmarshal(text, resp); err != nil || !isJSON {
		return c.fail(BadAnswer, op, "the answer is not W&B's; check WANDB_BASE_URL")
	}
	return nil
}

// hide takes the key out of a text, should a server say it.
func (c *Client) hide(text string) string {
	return strings.ReplaceAll(text, string(c.config.Key), "(hidden)")
}

// serverSays returns the errors in an answer, and whether it is an answer at all.
func serverSays(text []byte) (string, bool) {
	var a struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
		Error  json.RawMessage
	}
	if json.Unmarshal(text, &a) != nil {
		return "", false
	}
	var said []string
	for _, e := range a.Errors {
		said = append(said, e.Message)
	}
	if len(a.Error) > 0 && string(a.Error) != "null" {
		var one struct{ Message string }
		var words string
		if json.Unmarshal(a.Error, &one) != nil {
			_ = json.Unmarshal(a.Error, &words)
		}
		said = append(said, one.Message+words)
	}
	if len(said) > 0 && strings.Join(said, "") == "" {
		said = []string{"an error without words"}
	}
	return clean(strings.Join(said, "; ")), a.Data != nil || len(said) > 0
}

// known returns the entity, "" if it has not been asked for.
func (c *Client) known() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entity
}
