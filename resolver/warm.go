package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// warm is the control file .artifactfs/warm: a version whose reference is written to it
// is made ready before its first use. Local data is bound. Of data behind a network all
// is fetched into the cache, or what the lines after the reference name; that goes on
// for as long as the file is open. Reading the open file back gives the outcome as
// JSON, and what has come so far.
type warm struct{ t *Tree }

var _ Control = warm{}

func (w warm) Open(context.Context, int) (Handle, error) { return &warmHandle{t: w.t}, nil }

type warmHandle struct {
	t *Tree

	mu     sync.Mutex // guards what follows
	result Warmed
	fetch  *warming // nil: nothing is fetched
	shown  []byte   // what a read from the start has made of it
}

// Warmed is the outcome of warming one version.
type Warmed struct {
	Name    string `json:"name"`
	Version int    `json:"version,omitempty"`
	Lane    string `json:"lane,omitempty"`

	// Of what is fetched into the cache.
	Running bool    `json:"running,omitempty"`
	Files   int     `json:"files,omitempty"` // known of so far
	Done    int     `json:"done,omitempty"`  // that are there, and right
	Bytes   int64   `json:"bytes,omitempty"` // of the files
	Kept    int64   `json:"kept,omitempty"`  // that were there before
	Fetched int64   `json:"fetched,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`

	Error string `json:"error,omitempty"`
}

func (h *warmHandle) Write(ctx context.Context, p []byte, _ int64) (int, error) {
	lines := strings.Split(strings.TrimSpace(string(p)), "\n")
	done, fetch, err := h.t.warm(ctx, lines[0], lines[1:])
	if err != nil {
		done.Error = err.Error()
	}
	h.mu.Lock()
	if h.fetch != nil {
		h.fetch.stop()
	}
	h.result, h.fetch, h.shown = done, fetch, nil
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// warm looks as the caller whether there is such a version, and has the mount do
// the rest: binding is decided by what everybody may see.
func (t *Tree) warm(ctx context.Context, text string, paths []string) (Warmed, *warming, error) {
	done := Warmed{Name: text}
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return done, nil, err
	}
	v, err := t.Resolve(ctx, ref)
	if err != nil {
		return done, nil, err
	}
	done.Name, done.Version = v.Which()
	if ref.Sub != "" {
		paths = append([]string{ref.Sub}, paths...)
	}
	remote, err := t.sideOf(v).stored(ctx, v.Name, v.N)
	switch {
	case err != nil:
		return done, nil, err
	case remote != nil && t.opt.Cache == nil:
		return done, nil, fmt.Errorf("%s: %w (%w)", v, errNoCache, syscall.EOPNOTSUPP)
	case remote != nil:
		return done, t.startWarming(ctx, v, remote, paths), nil
	case len(paths) > 0:
		return done, nil, fmt.Errorf("%s: a version whose data is on this machine is bound as a whole, not a path in it: %w", text, fs.ErrInvalid)
	case t.opt.Warm == nil:
		return done, nil, fmt.Errorf("%s: its data is on this machine, and nothing binds here: %w", v, syscall.EOPNOTSUPP)
	}
	if v.in != "" {
		return done, nil, fmt.Errorf("%s: its data is on this machine, and only what has the tree's numbers is bound: %w", v, syscall.EOPNOTSUPP)
	}
	if err := t.opt.Warm(ctx, v.Name, v.N); err != nil {
		return done, nil, fmt.Errorf("%s is not bound: %w (%w)", v, err, syscall.EOPNOTSUPP)
	}
	done.Lane = "bind"
	return done, nil, nil
}

// Fetch is warming without a mount. It tells of what has come ten times a second, and
// ends with ctx.
func (t *Tree) Fetch(ctx context.Context, ref string, paths []string, tell func(Warmed)) (Warmed, error) {
	done, fetch, err := t.warm(ctx, ref, paths)
	if err != nil || fetch == nil {
		return done, err
	}
	defer fetch.stop()
	every := time.NewTicker(time.Second / 10)
	defer every.Stop()
	for {
		select {
		case <-fetch.done:
			return fetch.now(), nil
		case <-ctx.Done():
			return fetch.now(), ctx.Err()
		case <-every.C:
			tell(fetch.now())
		}
	}
}

// text is the outcome as it is now. The mutex is held.
func (h *warmHandle) text() []byte {
	if h.fetch != nil {
		h.result = h.fetch.now()
	} else if h.result == (Warmed{}) {
		return nil
	}
	b, _ := json.MarshalIndent(h.result, "", "  ")
	return append(b, '\n')
}

func (h *warmHandle) Read(_ context.Context, p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if off == 0 {
		h.shown = h.text()
	}
	if off >= int64(len(h.shown)) {
		return 0, nil
	}
	return copy(p, h.shown[off:]), nil
}

func (h *warmHandle) Flush(context.Context) error { return nil }

func (h *warmHandle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fetch != nil {
		h.fetch.stop()
	}
	return nil
}

func (h *warmHandle) Size() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(len(h.text()))
}
