package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// requestHandle is an open control file whose text is one request. It is carried
// out inside the write that completes it: shells look at write's errno and at
// nothing that comes after.
type requestHandle struct {
	// commit carries out text and returns what a read then gives. It returns
	// manifest.ErrIncomplete, having done nothing, if more text may make text
	// whole; last says that there will be no more.
	commit func(ctx context.Context, text []byte, last bool) ([]byte, error)
	// whole reports, of each piece of text in turn, whether a request may end in
	// it. It spares parsing a long text again for each of many small writes.
	whole func(p []byte) bool
	// drop is told of text that was never whole; may be nil.
	drop func(text []byte)
	// fresh makes of the outcome what it has become since, for a reader who begins anew;
	// may be nil.
	fresh   func(ctx context.Context, content []byte) []byte
	limit   int
	appends bool // O_APPEND: the kernel counts offsets from the file's end

	mu      sync.Mutex // one write at a time, through what it does; guards below
	text    []byte
	parsed  int   // bytes, over all attempts
	written int64 // where the next write belongs
	writer  uint32
	done    bool
	failed  error
	content []byte // what a read gives
	base    int64  // the offset at which content starts for this reader
	next    int64  // where this reader would go on; 0: it has not begun
}

// parseBudget is how many bytes are parsed early, to refuse what cannot become a
// request as soon as it is written.
const parseBudget = 16 << 20

func (h *requestHandle) Write(ctx context.Context, p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	blank := len(bytes.TrimSpace(p)) == 0
	switch {
	case !h.appends && off != h.written:
		return 0, fmt.Errorf("a write at byte %d; a request is written in one go, and its next byte is %d: %w", off, h.written, syscall.EINVAL)
	case h.done && h.failed != nil:
		return 0, h.failed
	case h.done && !blank:
		return 0, fmt.Errorf("there is more text after a whole request; open the file again for the next one: %w", syscall.EINVAL)
	case h.done:
		h.written += int64(len(p))
		return len(p), nil
	case len(h.text)+len(p) > h.limit:
		h.end(nil, fmt.Errorf("a request longer than %d bytes: %w", h.limit, syscall.EFBIG))
		return 0, h.failed
	}
	h.text = append(h.text, p...)
	h.written += int64(len(p))
	h.writer = ownerOf(ctx).process
	if whole := h.whole(p); !whole && h.parsed > parseBudget {
		return len(p), nil
	}
	h.parsed += len(h.text)
	if err := h.try(ctx, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// try commits what there is. The work outlives its requester: whoever interrupts
// a write gets its result all the same.
func (h *requestHandle) try(ctx context.Context, last bool) error {
	content, err := h.commit(context.WithoutCancel(ctx), h.text, last)
	if errors.Is(err, manifest.ErrIncomplete) {
		return nil
	}
	h.end(content, err)
	return err
}

func (h *requestHandle) end(content []byte, err error) {
	h.done, h.failed, h.content, h.text = true, err, content, nil
	h.next = 0
}

// Flush commits a request that lacks only its end. A flush comes with every close
// in every process that inherited the file, a shell's child for instance, so only
// that of the process that wrote last counts.
func (h *requestHandle) Flush(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done || len(bytes.TrimSpace(h.text)) == 0 {
		return nil
	}
	by := ownerOf(ctx).process
	if by == 0 {
		return fmt.Errorf("the request does not end in a newline, and who closes it cannot be seen: %w", fs.ErrInvalid)
	}
	if by != h.writer {
		return nil
	}
	return h.try(ctx, true)
}

// Read gives the outcome of this handle's request, once there is one, from the
// file's start as from where the writer stopped.
func (h *requestHandle) Read(ctx context.Context, p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if off == 0 && h.done && h.fresh != nil {
		h.content = h.fresh(ctx, h.content)
	}
	switch {
	case off == 0:
		h.base = 0
	case off != h.next && off == h.written:
		h.base = off
	}
	h.next = off
	if off -= h.base; off < 0 || off >= int64(len(h.content)) {
		return 0, nil
	}
	n := copy(p, h.content[off:])
	h.next += int64(n)
	return n, nil
}

func (h *requestHandle) Size() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.written > 0 {
		return h.written
	}
	return int64(len(h.content))
}

func (h *requestHandle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if text := bytes.TrimSpace(h.text); !h.done && len(text) > 0 && h.drop != nil {
		h.drop(text)
	}
	h.text, h.done = nil, true
	return nil
}

// braces finds the end of a request in pieces of text: the brace that closes an
// object, or the newline of anything else.
type braces struct {
	depth             int
	object, str, skip bool
}

func (b *braces) whole(p []byte) bool {
	found := false
	for _, c := range p {
		switch {
		case b.skip:
			b.skip = false
		case b.str:
			b.skip, b.str = c == '\\', c != '"'
		case c == '"':
			b.str = b.object
		case c == '{' || c == '[':
			b.object = true
			b.depth++
		case c == '}' || c == ']':
			b.depth--
			found = found || b.depth <= 0
		case c == '\n':
			found = found || !b.object
		}
	}
	return found
}
