package hfblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// File is one change of a commit.
type File struct {
	Key     string
	Content *io.SectionReader // nil: the object is deleted
}

// Bytes returns the change that writes b.
func Bytes(key string, b []byte) File {
	return File{key, io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))}
}

// Commit makes one commit of files on the branch, on top of parent, and returns its id:
// all of them or none. ErrStale: the branch is not at parent any more. If the Hub does
// not say what came of it, it is asked until it does, or the context ends.
func (r *Repo) Commit(ctx context.Context, parent, message string, files []File) (string, error) {
	if err := r.Writable(); err != nil {
		return "", err
	}
	if !commitID.MatchString(parent) {
		return "", fmt.Errorf("a commit's parent is the id of a commit, not %q", parent)
	}
	p, err := r.prepare(ctx, message, files)
	if err != nil {
		return "", r.refused(ctx, err)
	}
	if err := r.s.take(ctx); err != nil {
		return "", err
	}
	defer r.s.give()
	sha, err := r.commit(ctx, parent, p)
	return sha, r.refused(ctx, err)
}

func (s *shared) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shared) give() { <-s.turn }

// prepared is a commit without its parent. What is large of it has been uploaded.
type prepared struct {
	message string
	mark    string // by which it is found again among a branch's commits
	lines   []byte
}

// prepare uploads what the Hub wants in LFS, and spells the rest out.
func (r *Repo) prepare(ctx context.Context, message string, files []File) (*prepared, error) {
	lfs, err := r.upload(ctx, files)
	if err != nil {
		return nil, err
	}
	p := &prepared{message: message, mark: "artifactfs-commit: " + rand.Text()}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	for _, f := range files {
		path := toPath(f.Key)
		switch o, large := lfs[f.Key]; {
		case f.Content == nil:
			err = enc.Encode(line{"deletedFile", map[string]any{"path": path}})
		case large:
			err = enc.Encode(line{"lfsFile", map[string]any{"path": path, "algo": "sha256", "oid": o.OID, "size": o.Size}})
		default:
			var b []byte
			if b, err = io.ReadAll(again(f.Content)); err == nil {
				err = enc.Encode(line{"file", map[string]any{"path": path, "content": base64.StdEncoding.EncodeToString(b), "encoding": "base64"}})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	p.lines = lines.Bytes()
	return p, nil
}

type line struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// again reads content from its beginning, whoever else is reading it.
func again(c *io.SectionReader) io.Reader { return io.NewSectionReader(c, 0, c.Size()) }

// commit makes the commit, or finds that an attempt of its own has made it.
func (r *Repo) commit(ctx context.Context, parent string, p *prepared) (string, error) {
	header, err := json.Marshal(line{"header", map[string]any{"summary": p.message, "description": p.mark, "parentCommit": parent}})
	if err != nil {
		return "", err
	}
	body := append(append(header, '\n'), p.lines...)
	begun := time.Now()
	unknown := error(nil) // of an attempt of which nobody knows what came
	for try := 0; ; try++ {
		sha, err := r.post(ctx, body)
		switch {
		case err == nil:
			r.s.saw(r.uri.Rev, Head{sha, time.Now()})
			return sha, nil
		case errors.Is(err, ErrStale) && unknown == nil, !errors.Is(err, ErrStale) && !lost(err):
			return "", err
		case !errors.Is(err, ErrStale):
			unknown = err
		}
		if err := r.c.sleep(ctx, begun, backoff(try), unknown); err != nil {
			return "", fmt.Errorf("%w: %w", errUnknown, err)
		}
		sha, head, err := r.made(ctx, parent, p.mark)
		switch {
		case err != nil:
			return "", fmt.Errorf("%w: %w: %w", errUnknown, unknown, err)
		case sha != "":
			r.s.saw(r.uri.Rev, Head{sha, time.Now()})
			return sha, nil
		case head != parent: // then no attempt can succeed any more
			return "", ErrStale
		case try+1 >= tries:
			return "", fmt.Errorf("%w: %w", errUnknown, unknown)
		}
	}
}

// post makes one attempt; ErrStale if the branch is elsewhere.
func (r *Repo) post(ctx context.Context, body []byte) (string, error) {
	var out struct{ CommitOID string }
	q := &request{method: http.MethodPost, url: r.api("commit", r.uri.Rev), once: true}
	_, err := r.c.api(ctx, bytesBody(q, body, "application/x-ndjson"), &out)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusPreconditionFailed {
		r.s.forget(r.uri.Rev)
		return "", fmt.Errorf("%w: %s", ErrStale, e.Message)
	}
	if err == nil && !commitID.MatchString(out.CommitOID) {
		err = errors.New("the Hub does not say which commit it made")
	}
	return out.CommitOID, err
}

// lost reports whether an error leaves open what the Hub has done. Nothing has been
// done where it has answered with a reason, and where no time was left to ask it.
func lost(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return transient(e.Status)
	}
	return !errors.Is(err, errOffline)
}

// made looks for a commit by its mark among those that came after parent.
func (r *Repo) made(ctx context.Context, parent, mark string) (sha, head string, err error) {
	for page := 0; page < 20; page++ {
		var out []struct{ ID, Title, Message string }
		at := r.api("commits", r.uri.Rev) + "?" + url.Values{"p": {fmt.Sprint(page)}}.Encode()
		if _, err := r.c.api(ctx, &request{method: http.MethodGet, url: at}, &out); err != nil {
			return "", "", err
		}
		for _, c := range out {
			if head == "" {
				head = c.ID
			}
			if c.ID == parent {
				return "", head, nil
			}
			if strings.Contains(c.Message, mark) || strings.Contains(c.Title, mark) {
				return c.ID, head, nil
			}
		}
		if len(out) == 0 {
			break
		}
	}
	return "", head, fmt.Errorf("%s does not lead back to commit %s", r.uri, parent)
}
