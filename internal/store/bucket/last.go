package bucket

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"google.golang.org/api/googleapi"
)

// The vendors' clients ask again and again by themselves, and when the deadline ends
// that, what the store has said meanwhile is lost: SlowDown, say, or that it refuses
// connections. It is what there is to tell, so it is kept beside the request.

// last is the last failure of the requests of one operation.
type last struct {
	mu  sync.Mutex
	err error // guarded by mu
}

type lastKey struct{}

func withLast(ctx context.Context) context.Context { return context.WithValue(ctx, lastKey{}, &last{}) }

// lastFailure returns it; nil if there was none.
func lastFailure(ctx context.Context) error {
	l, ok := ctx.Value(lastKey{}).(*last)
	if !ok {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// watched makes requests, and notes those that fail.
type watched struct {
	do func(*http.Request) (*http.Response, error)
}

// Do is of the client of S3, and RoundTrip of Google's.
func (w watched) Do(r *http.Request) (*http.Response, error) {
	res, err := w.do(r)
	l, ok := r.Context().Value(lastKey{}).(*last)
	if !ok || err != nil && r.Context().Err() != nil {
		return res, err // which is ours
	}
	failure := err
	if err == nil && (res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500) {
		failure = &googleapi.Error{Code: res.StatusCode, Header: res.Header}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = failure
	return res, err
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) { return w.Do(r) }

// azureRetries has Azure's client, which nothing can be put into, give up and tell by
// itself: three more tries, of which the last is made after about two thirds of the
// deadline, and never later than the client's own defaults have it.
func azureRetries(ctx context.Context, deadline time.Duration) context.Context {
	first := min(deadline/20, 800*time.Millisecond) // then three and seven times that, each with jitter up to 1.3
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: 3, RetryDelay: first, MaxRetryDelay: deadline / 2})
}
