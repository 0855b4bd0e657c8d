package wandb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
)

// Kind is what an Error is about.
type Kind int

const (
	// Unreachable is a server that gives no answer, or says that it cannot now.
	Unreachable Kind = iota
	// TimedOut is a deadline that passed before there was an answer.
	TimedOut
	// Unauthorized is a key that is missing, malformed, or that the server refuses.
	Unauthorized
	// Forbidden is what the key may not see: the server tells no more of it than
	// of what does not exist.
	Forbidden
	// NotFound is what the server says does not exist. It is fs.ErrNotExist.
	NotFound
	// RateLimited is a server that asks to wait for longer than the caller can.
	RateLimited
	// Conflict is a commit that another one came before.
	Conflict
	// BadAnswer is an answer that is not one, or that refuses the request.
	BadAnswer
	// Slow is an answer that was not waited for any longer, and may still come.
	Slow
)

func (k Kind) String() string {
	return [...]string{"unreachable", "timed out", "unauthorized", "forbidden", "not found", "rate limited", "conflict", "bad answer", "slow"}[k]
}

// Error is what the server, or the way there, answered. Its text names both and the
// way out, and holds neither a key nor a signed address. What the network said is
// in the text only: a refused connection must not reach anyone as an errno.
type Error struct {
	Kind   Kind
	Server string // its address
	About  string // entity/project, or what was asked for
	Op     string // the document, or what was being done
	Status int    // of HTTP; 0 if there was none
	Text   string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("W&B at " + e.Server)
	if e.About != "" {
		b.WriteString(", " + e.About)
	}
	if e.Op != "" {
		b.WriteString(" (" + e.Op + ")")
	}
	b.WriteString(": ")
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d %s: ", e.Status, http.StatusText(e.Status))
	}
	b.WriteString(e.Text)
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

func (e *Error) hint() string {
	switch {
	case e.Kind == Unauthorized && e.Status != 0:
		return "the key is refused: check WANDB_API_KEY, netrc and WANDB_BASE_URL, or log in with `wandb login`"
	case e.Kind == Forbidden:
		return "it does not exist, or the key may not see it: check WANDB_ENTITY and WANDB_PROJECT"
	}
	return ""
}

// Unwrap returns what the error is to those who do not know this package.
func (e *Error) Unwrap() error {
	switch e.Kind {
	case TimedOut:
		return context.DeadlineExceeded
	case Unauthorized, Forbidden:
		return fs.ErrPermission
	case NotFound:
		return fs.ErrNotExist
	case Conflict:
		return fs.ErrExist
	}
	return syscall.EIO
}

// IsKind reports whether err is an Error of that kind.
func IsKind(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// statusKind sorts the answers that are none.
func statusKind(status int) Kind {
	switch {
	case status == http.StatusUnauthorized:
		return Unauthorized
	case status == http.StatusForbidden:
		return Forbidden
	case status == http.StatusNotFound || status == http.StatusGone:
		return NotFound
	case status == http.StatusConflict:
		return Conflict
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status == http.StatusRequestTimeout || status >= 500 && status != http.StatusNotImplemented:
		return Unreachable
	}
	return BadAnswer
}

// networkError says what kept a request from being answered, without the address
// that was asked: it may be a signed one.
func networkError(err error) (Kind, string) {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var n net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout() {
		return TimedOut, "no answer within the deadline"
	}
	return Unreachable, clean(err.Error())
}

var webQuery = regexp.MustCompile(`(https?://[^\s?"']*)\?[^\s"']*`)

// clean makes a text of the server or the network fit for a message: the query of a
// signed address is a credential.
func clean(text string) string {
	text = webQuery.ReplaceAllString(text, "$1?…")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}
