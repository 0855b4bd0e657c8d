package hfblob

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"gocloud.dev/gcerrors"
)

var (
	// ErrStale says that a branch is not where it was when it was looked at.
	ErrStale = errors.New("the branch has moved on")

	// ErrReadOnly says that a repository cannot be changed as it was opened.
	ErrReadOnly = errors.New("nothing can be written there")

	errCondition   = errors.New("the content is not what the condition says")
	errExists      = errors.New("there is such an object")
	errNotFound    = errors.New("there is no such object")
	errOffline     = errors.New("HF_HUB_OFFLINE is set, and the local cache (HF_HUB_CACHE) does not have it: hf download fills that")
	errUnsupported = errors.New("a repository has no place for that")
	errUnknown     = errors.New("it is not known whether the commit was made")
)

// Error is an answer of the Hub that is none.
type Error struct {
	Method, Path string // of the request
	Status       int
	Code         string // X-Error-Code: RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo or nothing
	Message      string
	RequestID    string
}

func (e *Error) Error() string {
	what := e.Message
	if what == "" {
		what = http.StatusText(e.Status)
	}
	s := fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Status, what)
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	if e.RequestID != "" {
		s += ", request " + e.RequestID
	}
	return s
}

// badCredentials is what the Hub says to a token that it does not know. Any other 401
// about a repository is that there is none, or none that may be seen.
const badCredentials = "Invalid credentials in Authorization header"

// errorOf reads the answer, and closes it.
func errorOf(req *http.Request, res *http.Response) *Error {
	defer res.Body.Close()
	e := &Error{Method: req.Method, Path: req.URL.Path, Status: res.StatusCode, Code: res.Header.Get("X-Error-Code"),
		Message: res.Header.Get("X-Error-Message"), RequestID: res.Header.Get("X-Request-Id")}
	if e.Message == "" {
		var body struct{ Error string }
		if b, err := io.ReadAll(io.LimitReader(res.Body, 4096)); err == nil && json.Unmarshal(b, &body) == nil {
			e.Message = body.Error
		}
	}
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead || strings.Contains(e.Path, "/paths-info/")
	if e.Status == http.StatusUnauthorized && e.Code == "" && e.Message != badCredentials && reads {
		e.Code = "RepoNotFound"
	}
	return e
}

// Code says what an error is to gocloud.
func Code(err error) gcerrors.ErrorCode {
	var e *Error
	switch {
	case errors.Is(err, errNotFound):
		return gcerrors.NotFound
	case errors.Is(err, ErrStale), errors.Is(err, errCondition), errors.Is(err, errExists):
		return gcerrors.FailedPrecondition
	case errors.Is(err, errUnsupported), errors.Is(err, ErrReadOnly):
		return gcerrors.Unimplemented
	case errors.Is(err, fs.ErrInvalid):
		return gcerrors.InvalidArgument
	case !errors.As(err, &e):
		return gcerrors.Unknown
	}
	switch {
	case strings.HasSuffix(e.Code, "NotFound"):
		return gcerrors.NotFound
	case e.Code == "GatedRepo", e.Message == "Access to this resource is disabled.":
		return gcerrors.PermissionDenied
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return gcerrors.PermissionDenied
	case http.StatusNotFound:
		return gcerrors.NotFound
	case http.StatusConflict:
		return gcerrors.AlreadyExists
	case http.StatusPreconditionFailed:
		return gcerrors.FailedPrecondition
	case http.StatusTooManyRequests:
		return gcerrors.ResourceExhausted
	case http.StatusBadRequest, http.StatusRequestedRangeNotSatisfiable:
		return gcerrors.InvalidArgument
	}
	return gcerrors.Unknown
}

// isMissingEntry reports whether an error says that a path is not in a revision that
// is there.
func isMissingEntry(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "EntryNotFound"
}

// transient reports whether an answer says nothing about what was asked, and may be better
// the next time.
func transient(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
