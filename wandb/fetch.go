package wandb

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// fetch asks for a file. Errors hold no address: it may be a signed one. The caller
// closes the body, and looks at the status.
func (c *Client) fetch(ctx context.Context, by *http.Client, address string, h http.Header) (*http.Response, error) {
	ctx, address = c.place(ctx, address)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, c.fail(BadAnswer, "file", "the file's address cannot be used")
	}
	for k, v := range h {
		r.Header[k] = v
	}
	// A range counts the bytes as they are stored.
	r.Header.Set("Accept-Encoding", "identity")
	res, err := by.Do(r)
	switch {
	case err == nil:
		return res, nil
	case errors.Is(err, context.Canceled):
		return nil, context.Canceled
	}
	if refused := asRefused(err); refused != nil {
		return nil, refused
	}
	kind, words := networkError(err)
	return nil, &cutError{c.fail(kind, "file", "%s", words)}
}

// refused returns what a status other than the one wanted says.
func (c *Client) refused(res *http.Response, what string) *Error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	words := c.hide(clean(string(text)))
	if words == "" || strings.HasPrefix(words, "<") {
		words = "the store of W&B's files gives no reason"
	}
	e := c.fail(statusKind(res.StatusCode), what, "%s", words)
	e.Status = res.StatusCode
	if e.Kind == NotFound || e.Kind == Forbidden || e.Kind == Unauthorized {
		// Of a file that the server says is there, no status says otherwise.
		e.Kind = Unreachable
	}
	return e
}

// signedAway reports whether a status is what an address gets whose signature has
// expired: 400 is what some stores say.
func signedAway(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusBadRequest
}

// place returns where an address is. One that begins with a slash is below the
// server's own, which wants the key; others are signed.
func (c *Client) place(ctx context.Context, address string) (context.Context, string) {
	if strings.HasPrefix(address, "/") {
		return withKey(ctx), c.config.BaseURL + address
	}
	return ctx, address
}

// segment spells a text as one segment of an address's path.
func segment(s string) string {
	s = url.PathEscape(s)
	if s == "." || s == ".." {
		s = strings.ReplaceAll(s, ".", "%2E")
	}
	return s
}
