package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// warm is the control file .artifactfs/warm: a reference written to it is bound
// ahead of its first use. Reading the open file back gives the outcome as JSON.
type warm struct{ t *Tree }

var _ Control = warm{}

func (w warm) Open(context.Context, int) (Handle, error) { return &warmHandle{t: w.t}, nil }

type warmHandle struct {
	t *Tree

	mu     sync.Mutex // guards result
	result []byte
}

// Warmed is the outcome of warming one version.
type Warmed struct {
	Name    string `json:"name"`
	Version int    `json:"version,omitempty"`
	Lane    string `json:"lane,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (h *warmHandle) Write(ctx context.Context, p []byte, _ int64) (int, error) {
	text := strings.TrimSpace(string(p))
	done, err := h.warm(ctx, text)
	if err != nil {
		done.Error = err.Error()
	}
	b, _ := json.MarshalIndent(done, "", "  ")
	h.mu.Lock()
	h.result = append(b, '\n')
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// warm looks as the caller whether there is such a version, and has the mount do
// the rest: binding is decided by what everybody may see.
func (h *warmHandle) warm(ctx context.Context, text string) (Warmed, error) {
	done := Warmed{Name: text}
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return done, err
	}
	if ref.Sub != "" {
		return done, fmt.Errorf("%s: a version is bound as a whole, not a path in it: %w", text, fs.ErrInvalid)
	}
	v, err := h.t.Resolve(ctx, ref)
	if err != nil {
		return done, err
	}
	done.Name, done.Version = v.Name, v.N
	if h.t.opt.Warm == nil {
		return done, fmt.Errorf("%s: nothing binds here: %w", v, syscall.EOPNOTSUPP)
	}
	if err := h.t.opt.Warm(ctx, v.Name, v.N); err != nil {
		return done, fmt.Errorf("%s is not bound: %w (%w)", v, err, syscall.EOPNOTSUPP)
	}
	done.Lane = "bind"
	return done, nil
}

func (h *warmHandle) Read(_ context.Context, p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if off >= int64(len(h.result)) {
		return 0, nil
	}
	return copy(p, h.result[off:]), nil
}

func (h *warmHandle) Flush(context.Context) error { return nil }
func (h *warmHandle) Close() error                { return nil }

func (h *warmHandle) Size() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(len(h.result))
}
