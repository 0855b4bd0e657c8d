package wandbtest

import (
	"fmt"
	"net/http"
)

// statusError is an error of a resolver that has an HTTP status of its own. W&B answers
// errors both ways: with a status, or with 200 beside a null.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// Extensions is how the executor finds out what else goes into an error.
func (e *statusError) Extensions() map[string]any {
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return map[string]any{"code": "PERMISSION_ERROR"}
	}
	return nil
}

func failure(status int, format string, args ...any) error {
	return &statusError{status, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return failure(http.StatusBadRequest, format, args...)
}

func notFound(format string, args ...any) error {
	return failure(http.StatusNotFound, format, args...)
}
