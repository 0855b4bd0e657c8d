package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
)

// MaxRequest is the longest request to log a version, in bytes.
const MaxRequest = 1 << 20

// ErrIncomplete says that what was written so far could become a request.
var ErrIncomplete = errors.New("the request is not complete")

// Request is what a writer asks to be logged.
type Request struct {
	Path      string // absolute, or a URI, as it was written
	Type      string // "" if none was given
	Name      string // the semantic name, kept in metadata.json
	Metadata  Object
	Inputs    []string // nil: derived from the typed fields
	Used      []string // used_artifacts
	Producer  string   // "": the job's
	CreatedAt string   // "": now
	Tracking  any      // nil, or upstream's object of what W&B knows
	Iteration *int     // set: a model checkpoint
	Aliases   []string
	Backends  []string // nil: all active ones
	RequestID string   // a second request with it is the first one's
	Fields    Object   // every other key, in order: typed fields

	noProducer bool // producer is null: metadata.json keeps that
}

// ParseRequest reads what was written to a control file: one absolute path or
// URI and a newline, or one JSON object; white space may surround both.
//
// ErrIncomplete says that more text could make a request of b; ask FinishRequest
// when there will be no more. Other errors satisfy fs.ErrInvalid and name the
// offset and the reason, or syscall.EFBIG beyond MaxRequest.
func ParseRequest(b []byte) (*Request, error) {
	if len(b) > MaxRequest {
		return nil, fmt.Errorf("log request: longer than %d bytes: %w", MaxRequest, syscall.EFBIG)
	}
	start := skipBlank(b, 0)
	start = skipBlank(b, start+len(b[start:])-len(bytes.TrimPrefix(b[start:], bom)))
	if start == len(b) || bytes.HasPrefix(bom, b[start:]) {
		return nil, ErrIncomplete
	}
	parse := parsePathRequest
	if b[start] == '{' {
		parse = parseObjectRequest
	}
	r, err := parse(b, start)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, ErrIncomplete
	}
	if err != nil {
		return nil, fmt.Errorf("log request %w", invalid(err))
	}
	return r, nil
}

// FinishRequest is ParseRequest for a text that is whole: the newline after a
// path may be missing, and what is incomplete is an error.
func FinishRequest(b []byte) (*Request, error) {
	r, err := ParseRequest(b)
	if err != ErrIncomplete {
		return r, err
	}
	line := append(bytes.Clone(b), '\n')
	if r, err = ParseRequest(line); err != ErrIncomplete {
		return r, err
	}
	return nil, fmt.Errorf("log request at byte %d: the text ends before the request does: %w", len(b), fs.ErrInvalid)
}

// NewRequest returns the request that a path alone is.
func NewRequest(path string) (*Request, error) {
	if why := badPath(path); why != "" {
		return nil, fmt.Errorf("log request: %s: %w", why, fs.ErrInvalid)
	}
	return &Request{Path: path, Metadata: Object{}}, nil
}

// Checkpoint reports whether r logs a model checkpoint, whose path upstream
// records as it was written, links and all.
func (r *Request) Checkpoint() bool { return r.Iteration != nil }

// Remote reports whether the data lies behind a URI.
func (r *Request) Remote() bool { return IsURI(r.Path) }

func parsePathRequest(b []byte, start int) (*Request, error) {
	line, rest, whole := bytes.Cut(b[start:], []byte("\n"))
	if !whole {
		return nil, pathPrefix(line, start)
	}
	if why := badPath(string(line)); why != "" {
		return nil, &SyntaxError{Offset: start, Reason: why}
	}
	end := start + len(line) + 1
	if at := skipBlank(b, end); at < len(b) {
		return nil, &SyntaxError{Offset: at, Reason: "there is more text after the path: " + quote(string(rest[at-end:]))}
	}
	return &Request{Path: string(line), Metadata: Object{}}, nil
}

// pathPrefix says whether line, without its newline yet, may become a path or URI.
func pathPrefix(line []byte, start int) error {
	n := 0
	for n < len(line) && isSchemeByte(line[n]) {
		n++
	}
	after := line[n:min(n+3, len(line))]
	scheme := n > 0 && isLetter(line[0]) && bytes.HasPrefix([]byte("://"), after)
	if (line[0] == '/' || scheme) && len(line) <= maxPath && bytes.IndexByte(line, 0) < 0 {
		return &SyntaxError{Offset: start + len(line), Reason: "the text ends inside a path", short: true}
	}
	return &SyntaxError{Offset: start, Reason: badPath(string(line))}
}

// IsURI reports whether path is a URI and not a path: it starts with a scheme of
// two letters or more and "://".
func IsURI(path string) bool {
	scheme, rest, ok := strings.Cut(path, "://")
	if !ok || len(scheme) < 2 || rest == "" || !isLetter(scheme[0]) {
		return false
	}
	for i := range len(scheme) {
		if !isSchemeByte(scheme[i]) {
			return false
		}
	}
	return true
}

func isSchemeByte(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

const maxPath = 4095 // PATH_MAX without its NUL

// badPath says why a path cannot be logged, or "".
func badPath(path string) string {
	switch {
	case path == "":
		return "the path is empty"
	case strings.Contains(path, "\x00"):
		return "the path holds a NUL byte"
	case len(path) > maxPath:
		return fmt.Sprintf("the path is longer than %d bytes", maxPath)
	case strings.HasPrefix(path, "art://"):
		return "the path " + quote(path) + " is a reference; give the path of the data"
	case path[0] != '/' && !IsURI(path):
		return "the path " + quote(path) + " is neither absolute nor a URI"
	}
	return ""
}
