package wandb

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// transport adds the headers that requests carry. The key goes to the server's own
// address only: scheme, host, port and path. Signed addresses and redirects
// elsewhere never see it, nor do signed ones of a server that keeps its files itself:
// a store that is shown two credentials refuses both.
type transport struct {
	base   *url.URL
	config Config
	next   http.RoundTripper
	files  bool // only requests by withKey bring the key
}

// withKey marks a request for a file at the server's own address.
func withKey(ctx context.Context) context.Context { return context.WithValue(ctx, keyKey{}, true) }

type keyKey struct{}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	own := t.owns(r.URL)
	if t.files {
		// What it redirects to is a signed address, or none of the server's.
		own = own && r.Response == nil && r.Context().Value(keyKey{}) != nil
	}
	for k, v := range t.config.Headers {
		if own || !secretHeader(k) {
			r.Header.Set(k, v)
		}
	}
	r.Header.Set("User-Agent", "artifactfs")
	r.Header.Del("Referer") // it would tell the next host a signed address
	if own {
		r.Header.Set("Authorization", basicAuth(t.config.Key))
		setUnlessEmpty(r.Header, "X-WANDB-USERNAME", t.config.Username)
		setUnlessEmpty(r.Header, "X-WANDB-USER-EMAIL", t.config.Email)
	}
	return t.next.RoundTrip(r)
}

// owns reports whether u is the server's.
func (t *transport) owns(u *url.URL) bool {
	if u.Scheme != t.base.Scheme || !strings.EqualFold(u.Hostname(), t.base.Hostname()) || port(u) != port(t.base) {
		return false
	}
	prefix := strings.TrimRight(t.base.Path, "/") + "/"
	return strings.HasPrefix(u.Path, prefix) && !strings.Contains(u.Path, "/../") && !strings.HasSuffix(u.Path, "/..")
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// secretHeader reports whether a header that the user adds is a credential.
func secretHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "cookie", "x-wandb-username", "x-wandb-user-email":
		return true
	}
	return false
}

func basicAuth(k Key) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("api:"+string(k)))
}

func setUnlessEmpty(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// errRedirect is a question that the server would have asked elsewhere.
var errRedirect = errors.New("the server redirects to another address; set WANDB_BASE_URL to it")

// sameServer lets the server redirect a question within its own address only.
func (t *transport) sameServer(r *http.Request, via []*http.Request) error {
	if !t.owns(r.URL) {
		return errRedirect
	}
	return fewRedirects(r, via)
}

// fewRedirects is for files, which the server may keep anywhere.
func fewRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("the server redirects in circles")
	}
	return nil
}

// newRoundTripper returns a transport that does not wait for ever where no deadline
// says so.
func newRoundTripper() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64 // as many readers at once are kept their connections
	t.ResponseHeaderTimeout = attemptTime
	t.IdleConnTimeout = time.Minute
	return t
}
