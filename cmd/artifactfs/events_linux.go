package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// maxEvents is how many of the last events .artifactfs/events shows.
const maxEvents = 256

// eventNames are the log's messages that are events, by what programs look for.
var eventNames = map[string]string{
	"mounted": "mounted", "unmounted": "unmounted", "published": "published", "bound": "bound", "unbound": "unbound",
	"not logged": "refused", "failed": "failed", "store cannot be read": "degraded", "store is back": "recovered",
	"configuration loaded": "reloaded", "the configuration cannot be used, the old one stays": "reload_refused",
}

// events is a log handler that keeps the events among what it hands on.
type events struct {
	next slog.Handler
	with []slog.Attr
	*ring
}

// ring holds the last events.
type ring struct {
	mu    sync.Mutex // guards lines
	lines []event
}

// event is one line of JSON.
type event struct {
	name string
	line []byte
}

// ofTheMount are the events that concern every user. Others name artifacts, paths
// and people that not every user may know of.
func (e event) ofTheMount() bool {
	switch e.name {
	case "mounted", "unmounted", "degraded", "recovered", "reloaded", "reload_refused":
		return true
	}
	return false
}

func (e *events) Enabled(_ context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || e.next.Enabled(context.Background(), l)
}

func (e *events) Handle(ctx context.Context, r slog.Record) error {
	if name := eventNames[r.Message]; name != "" || r.Level >= slog.LevelWarn {
		e.keep(name, r)
	}
	if !e.next.Enabled(ctx, r.Level) {
		return nil
	}
	return e.next.Handle(ctx, r)
}

// keep adds what has no event's name as a warning or an error, with its message.
func (e *events) keep(name string, r slog.Record) {
	line := map[string]any{"at": r.Time.UTC().Format(time.RFC3339Nano), "event": name}
	if name == "" {
		line["event"], line["message"] = strings.ToLower(r.Level.String()), r.Message
	}
	add := func(a slog.Attr) bool {
		v := a.Value.Resolve()
		switch x := v.Any().(type) {
		case error:
			line[a.Key] = x.Error()
		default:
			line[a.Key] = x
		}
		return true
	}
	for _, a := range e.with {
		add(a)
	}
	r.Attrs(add)
	b, err := json.Marshal(line)
	if err != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.lines) >= maxEvents {
		e.lines = append(e.lines[:0:0], e.lines[1:]...)
	}
	e.lines = append(e.lines, event{name, b})
}

// seesAll says whether the caller may know of every artifact: root and who
// mounted may.
func seesAll(ctx context.Context) bool {
	c, ok := store.CallerOf(ctx)
	return !ok || c.UID == 0 || int(c.UID) == os.Geteuid()
}

// text is what .artifactfs/events shows, the oldest first: all of it to root and
// to who mounted.
func (e *events) text(ctx context.Context) []byte {
	all := seesAll(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	var b bytes.Buffer
	for _, l := range e.lines {
		if all || l.ofTheMount() {
			b.Write(l.line)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func (e *events) WithAttrs(a []slog.Attr) slog.Handler {
	return &events{e.next.WithAttrs(a), append(e.with[:len(e.with):len(e.with)], a...), e.ring}
}

func (e *events) WithGroup(name string) slog.Handler {
	return &events{e.next.WithGroup(name), e.with, e.ring}
}
