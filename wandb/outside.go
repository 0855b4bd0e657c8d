package wandb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// Outside is where references lead that leave W&B and this machine. Whoever may log to
// a project writes them, and others read through the mount what they bring. An error
// satisfies fs.ErrPermission and says what would let the reference be followed.
type Outside interface {
	// Object returns why the object at a URI is not to be read, nil if it may be. It
	// asks nobody.
	Object(uri bucket.URI) error

	// Bucket returns the bucket of an object that may be read. It opens each bucket
	// once.
	Bucket(ctx context.Context, uri bucket.URI) (*bucket.Bucket, error)

	// Web returns why an address of the web is not to be asked, nil if it may be. Where
	// an answer redirects to is an address too.
	Web(address *url.URL) error
}

// anywhere lets references lead anywhere. Credentials are the vendor's defaults.
type anywhere struct {
	open func(context.Context, bucket.URI) (*bucket.Bucket, error)

	mu    sync.Mutex // guards what follows
	known map[string]*bucket.Bucket
}

var _ Outside = (*anywhere)(nil)

func (a *anywhere) Object(bucket.URI) error { return nil }
func (a *anywhere) Web(*url.URL) error      { return nil }

func (a *anywhere) Bucket(ctx context.Context, u bucket.URI) (*bucket.Bucket, error) {
	u.Prefix = ""
	a.mu.Lock()
	in, ok := a.known[u.String()]
	a.mu.Unlock()
	if ok {
		return in, nil
	}
	in, err := a.open(context.WithoutCancel(ctx), u)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = make(map[string]*bucket.Bucket)
	}
	a.known[u.String()] = in
	return in, nil
}

// allowed returns why a reference is not followed, nil if it may be.
func (s *Source) allowed(e *entry) error {
	scheme, _, _ := strings.Cut(e.ref, "://")
	var err error
	switch scheme {
	case "s3", "gs":
		at, bad := e.inBucket()
		if bad != nil {
			return bad
		}
		err = s.opt.Outside.Object(at.uri)
	case "http", "https":
		u, bad := url.Parse(e.ref)
		if bad != nil {
			return nil // it cannot be read, which is another error
		}
		if err = notOurs(u.Hostname()); err == nil {
			err = s.opt.Outside.Web(u)
		}
	}
	if err != nil {
		return fmt.Errorf("its reference to %s is not followed: %w", clean(e.ref), err)
	}
	return nil
}

// refusedError is a request that was not made. It is no answer of the network: asking
// again is of no use.
type refusedError struct{ err error }

func (r *refusedError) Error() string { return r.err.Error() }
func (r *refusedError) Unwrap() error { return r.err }

// asRefused returns what kept a request from being made; nil if it failed otherwise.
func asRefused(err error) error {
	var r *refusedError
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// notOurs refuses addresses at which a machine's own services answer, such as a cloud's
// that gives out credentials: whoever wrote a manifest is not to be answered by them.
func notOurs(host string) error {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil // a name: it is looked at once it is an address
	}
	ip = ip.Unmap().WithZone("")
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.MustParseAddr("fd00:ec2::254") {
		return &refusedError{fmt.Errorf("references to %s, where machines keep services of their own, are never followed: %w", ip, syscall.EPERM)}
	}
	return nil
}

func dialOutside(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	return notOurs(host)
}

// outsideTransport looks at the address of each request, those of redirects too. A
// proxy would look names up and dial itself.
type outsideTransport struct {
	to   Outside
	next http.RoundTripper
}

func (t *outsideTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	err := notOurs(r.URL.Hostname())
	if err == nil {
		if err = t.to.Web(r.URL); err != nil {
			err = &refusedError{err}
		}
	}
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Del("Referer") // it would tell the next host what the last one was asked for
	return t.next.RoundTrip(r)
}

// newReferenceClient returns a client for references: it carries nothing of the
// user's, neither a key nor a header.
func newReferenceClient(to Outside) *http.Client {
	t := newRoundTripper()
	d := &net.Dialer{Timeout: attemptTime, Control: dialOutside}
	t.DialContext = d.DialContext
	t.Proxy = http.ProxyFromEnvironment
	return &http.Client{Transport: &outsideTransport{to, t}, CheckRedirect: fewRedirects}
}
