package ui

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

const (
	stuck      = 30 * time.Second // how long a browser may leave an answer unread
	mostShown  = 500              // versions in one answer
	flushAfter = 200 * time.Millisecond
)

// artifacts answers with a line of JSON for each artifact, as they are found, and a last
// one that says how it ended: without it the list is not whole.
func (s *Server) artifacts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	ctl := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	var flushed time.Time
	n := 0
	err := s.store.Artifacts(ctx, func(a Artifact) {
		if time.Since(flushed) > flushAfter {
			// The store waits meanwhile, but not for ever.
			_ = ctl.SetWriteDeadline(time.Now().Add(stuck))
			_ = ctl.Flush()
			flushed = time.Now()
		}
		if enc.Encode(a) != nil {
			cancel()
		}
		n++
	})
	end := map[string]any{"end": n}
	if err != nil {
		end["error"] = err.Error()
	}
	_ = ctl.SetWriteDeadline(time.Now().Add(stuck))
	_ = enc.Encode(end)
}

func (s *Server) versions(w http.ResponseWriter, r *http.Request) {
	before, err := number(r, "before", 0)
	count, err2 := number(r, "count", 100)
	if err = errors.Join(err, err2); err != nil {
		s.fail(w, err)
		return
	}
	v, err := s.store.Versions(r.Context(), r.URL.Query().Get("name"), before, min(count, mostShown))
	s.answer(w, v, err)
}

func (s *Server) version(w http.ResponseWriter, r *http.Request) {
	ref, err := manifest.ParseRef(r.URL.Query().Get("ref"))
	if err != nil {
		s.fail(w, err)
		return
	}
	v, err := s.store.Version(r.Context(), ref)
	s.answer(w, v, err)
}

func (s *Server) lineage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	ref, err := manifest.ParseRef(q.Get("ref"))
	depth, err2 := number(r, "depth", 0)
	if err = errors.Join(err, err2); err != nil {
		s.fail(w, err)
		return
	}
	up, down := q.Get("way") != "down", q.Get("way") != "up"
	l, err := s.store.Lineage(r.Context(), ref, resolver.LineageOptions{Up: up, Down: down, Depth: depth})
	s.answer(w, l, err)
}

// state is the status, live: every page asks for it again and again.
func (s *Server) state(w http.ResponseWriter, r *http.Request) {
	v, err, _ := s.status.Do("", func() (any, error) { return s.store.Status(context.WithoutCancel(r.Context())) })
	s.answer(w, v, err)
}

// number is a parameter that counts something.
func number(r *http.Request, key string, otherwise int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &fs.PathError{Op: "parameter", Path: key, Err: fs.ErrInvalid}
	}
	return n, nil
}

func (s *Server) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stuck))
	_ = json.NewEncoder(w).Encode(v)
}

// fail says in words what is wrong; whose fault it is, in the status.
func (s *Server) fail(w http.ResponseWriter, err error) {
	code := http.StatusBadGateway
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = http.StatusNotFound
	case errors.Is(err, fs.ErrInvalid), errors.Is(err, syscall.ENAMETOOLONG):
		code = http.StatusBadRequest
	case errors.Is(err, fs.ErrPermission):
		code = http.StatusForbidden
	case !errors.Is(err, context.Canceled):
		s.opt.Log.Error("ui", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stuck))
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
