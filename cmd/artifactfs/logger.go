package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// newLogger writes to a log file, or for journald, which adds the time itself
// and takes the level from a <N> before the line.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	if os.Getenv("JOURNAL_STREAM") == "" || w != io.Writer(os.Stderr) {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	h := &journal{w: w, mu: &sync.Mutex{}, buf: &bytes.Buffer{}}
	h.text = slog.NewTextHandler(h.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}})
	return slog.New(h)
}

// quiet logs nothing, for commands that say themselves what they find.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// journal is a slog handler whose lines start with their syslog priority.
type journal struct {
	text slog.Handler
	w    io.Writer
	mu   *sync.Mutex // over buf and w
	buf  *bytes.Buffer
}

func (j *journal) Enabled(ctx context.Context, l slog.Level) bool { return j.text.Enabled(ctx, l) }

func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buf.Reset()
	fmt.Fprintf(j.buf, "<%d>", priority(r.Level))
	r.Time = time.Time{}
	if err := j.text.Handle(ctx, r); err != nil {
		return err
	}
	_, err := j.w.Write(j.buf.Bytes())
	return err
}

func (j *journal) WithAttrs(a []slog.Attr) slog.Handler {
	c := *j
	c.text = j.text.WithAttrs(a)
	return &c
}

func (j *journal) WithGroup(name string) slog.Handler {
	c := *j
	c.text = j.text.WithGroup(name)
	return &c
}

func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// logPath is the daemon's log file, its directory made. XDG_STATE_HOME wins where
// it is set, for root too: whoever sets it wants no traces elsewhere.
func logPath(flag, dir string) (string, error) {
	if flag != "" {
		return filepath.Abs(flag)
	}
	base := os.Getenv("XDG_STATE_HOME")
	switch {
	case filepath.IsAbs(base):
		base = filepath.Join(base, "artifactfs")
	case os.Geteuid() == 0:
		base = "/var/log/artifactfs"
	default:
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no place for a log: %w; name one with --log-file", err)
		}
		base = filepath.Join(home, ".local/state/artifactfs")
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("log directory: %w; name a file with --log-file", err)
	}
	return filepath.Join(base, stateName(dir)+".log"), nil
}
