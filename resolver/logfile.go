package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/manifest"
)

// logFile is .log/NAME: what is written to it is logged as a new version of NAME.
// Each open file is a request of its own.
type logFile struct {
	t      *Tree
	name   string
	logged bool // it had versions when it was looked up
}

var _ Control = (*logFile)(nil)

func (f *logFile) Stat(ctx context.Context) (Entry, error) {
	last := f.last(ctx)
	return f.t.controlEntry(f, logPath+"/"+f.name, len(last)), nil
}

func (f *logFile) Open(ctx context.Context, flags int) (Handle, error) {
	uid := ownerOf(ctx).uid
	h := &logHandle{
		t: f.t, name: f.name,
		requestHandle: requestHandle{
			limit:   manifest.MaxRequest,
			appends: flags&syscall.O_APPEND != 0,
			whole:   new(braces).whole,
			content: f.last(ctx),
			fresh:   f.t.sinceThen,
		},
	}
	h.commit = func(ctx context.Context, text []byte, last bool) ([]byte, error) {
		b, err := f.commit(ctx, text, last)
		if !errors.Is(err, manifest.ErrIncomplete) {
			f.t.logs.set(f.name, uid, b)
		}
		return b, err
	}
	h.drop = func(text []byte) {
		f.t.opt.Log.Warn("dropped an unfinished log request", "artifact", f.name, "uid", uid, "bytes", len(text))
		f.t.logs.set(f.name, uid, failure(f.name, errors.New("the request was never complete, and nothing was logged")))
	}
	f.t.logs.opened(f.name, 1)
	return h, nil
}

// last is the outcome of the caller's last log, as it is now.
func (f *logFile) last(ctx context.Context) []byte {
	return f.t.sinceThen(ctx, f.t.logs.last(f.name, ownerOf(ctx).uid))
}

// sinceThen is an outcome with what has become of it in W&B since.
func (t *Tree) sinceThen(ctx context.Context, text []byte) []byte {
	if t.opt.Pusher == nil || text == nil {
		return text
	}
	v, err := manifest.ParseJSON(text)
	o, _ := v.(manifest.Object)
	then, ok := field[manifest.Object](o, "wandb")
	id, _ := field[string](then, "id")
	if err != nil || !ok {
		return text
	}
	p, err := t.opt.Pusher.Pushed(ctx, id)
	if err != nil {
		return text
	}
	raw, _ := json.Marshal(p)
	now, err := manifest.ParseJSON(raw)
	if err != nil {
		return text
	}
	o.Set("wandb", now)
	return append(manifest.AppendJSON(nil, o, 2), '\n')
}

// logHandle is an open control file; while it is, its name is found.
type logHandle struct {
	requestHandle
	t      *Tree
	name   string
	closed sync.Once
}

func (h *logHandle) Close() error {
	err := h.requestHandle.Close()
	h.closed.Do(func() { h.t.logs.opened(h.name, -1) })
	return err
}

// commit logs text if it is a whole request, and returns the outcome for a reader.
func (f *logFile) commit(ctx context.Context, text []byte, last bool) ([]byte, error) {
	parse := manifest.ParseRequest
	if last {
		parse = manifest.FinishRequest
	}
	req, err := parse(text)
	if errors.Is(err, manifest.ErrIncomplete) {
		return nil, err
	}
	var r *Result
	if err == nil {
		r, err = f.t.Log(ctx, f.name, req, LogOptions{known: f.logged})
	}
	return f.t.outcome(f.name, r, err)
}

// failure is the outcome of a request that was refused, for a reader.
func failure(name string, err error) []byte {
	b, _ := json.MarshalIndent(struct {
		Name  string `json:"name"`
		Error string `json:"error"`
	}{name, err.Error()}, "", "  ")
	return append(b, '\n')
}

// logs is what .log remembers: names that are open, directories that were made,
// and each user's last outcome by name.
type logs struct {
	mu      sync.Mutex // guards below
	open    map[string]int
	dirs    map[string]bool
	results *lru.Cache[logger, []byte]
}

type logger struct {
	name string
	uid  uint32 // one user is not told what another logged
}

// remembered bounds what is kept: outcomes, and directories made.
const remembered = 1024

func (l *logs) opened(name string, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == nil {
		l.open = make(map[string]int)
	}
	if l.open[name] += by; l.open[name] <= 0 {
		delete(l.open, name)
	}
}

func (l *logs) set(name string, uid uint32, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.results == nil {
		l.results, _ = lru.New[logger, []byte](remembered)
	}
	l.results.Add(logger{name, uid}, b)
}

func (l *logs) last(name string, uid uint32) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.results == nil {
		return nil
	}
	b, _ := l.results.Get(logger{name, uid})
	return b
}

// known reports whether a name that may be no artifact is a file here: while it
// is open, and so long as somebody may want to read why it was refused.
func (l *logs) known(name string, uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[name] > 0 || l.results != nil && l.results.Contains(logger{name, uid})
}

func (l *logs) makeDir(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dirs == nil {
		l.dirs = make(map[string]bool)
	}
	if len(l.dirs) >= remembered {
		return fmt.Errorf("%d directories were made in .log that no artifact came of: %w", remembered, syscall.ENOSPC)
	}
	l.dirs[name] = true
	return nil
}

func (l *logs) madeDir(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dirs[name]
}

func (l *logs) removeDir(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	made := l.dirs[name]
	delete(l.dirs, name)
	return made
}
