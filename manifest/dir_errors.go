package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// unreachable is what became of an access when the store did not answer. It is
// EIO, or the deadline's error, whatever the cause: a root that is gone says
// ENOENT, and that must never be taken for an artifact that is gone.
type unreachable struct {
	root  string
	since time.Time
	cause error
}

func (e *unreachable) Error() string {
	if time.Since(e.since) < time.Second {
		return fmt.Sprintf("store %s cannot be read: %v", e.root, e.cause)
	}
	return fmt.Sprintf("store %s cannot be read since %s: %v", e.root, e.since.Format(time.DateTime), e.cause)
}

func (e *unreachable) Unwrap() error {
	if errors.Is(e.cause, os.ErrDeadlineExceeded) || errors.Is(e.cause, syscall.ETIMEDOUT) {
		return os.ErrDeadlineExceeded
	}
	return syscall.EIO
}

// rootError is a failure of the root itself, however it is spelled.
type rootError struct{ cause error }

func (e *rootError) Error() string { return e.cause.Error() }

// Unwrap shows a refusal: who may not read the root is told so.
func (e *rootError) Unwrap() error {
	if errors.Is(e.cause, fs.ErrPermission) {
		return fs.ErrPermission
	}
	return nil
}

// lost are the errors of a file system that does not answer, or no longer.
var lost = []syscall.Errno{
	syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENOTCONN, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
	syscall.ENETDOWN, syscall.ENETUNREACH, syscall.ENODEV, syscall.ENXIO, syscall.ESHUTDOWN, syscall.ECONNREFUSED,
	syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
}

func isLost(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	var r *rootError
	if errors.As(err, &r) {
		return !errors.Is(err, fs.ErrPermission)
	}
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(lost, errno)
}

// judge keeps account of whether the store answers, and makes an *unreachable of
// an error that says it does not.
func (d *Dir) judge(err error) error {
	if errors.Is(err, syscall.EINTR) || errors.Is(err, context.Canceled) {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !isLost(err) {
		if err == nil {
			d.answers()
		}
		return err
	}
	if d.cause == nil {
		d.since = time.Now()
		d.log.Warn("store cannot be read", "store", d.root, "err", err)
	}
	d.cause = err
	return &unreachable{d.root, d.since, err}
}

// answers notes that the store does. Dir.mu is held.
func (d *Dir) answers() {
	if d.cause != nil {
		d.log.Info("store is back", "store", d.root, "since", d.since)
	}
	d.since, d.cause = time.Time{}, nil
}

func (d *Dir) noArtifact(name string) error {
	return fmt.Errorf("artifact %s: store %s has none of that name: %w", name, d.root, fs.ErrNotExist)
}

func (d *Dir) noVersion(name string, v int, why error) error {
	if why == nil || errors.Is(why, fs.ErrNotExist) {
		return fmt.Errorf("artifact %s: store %s has no v%d: %w", name, d.root, v, fs.ErrNotExist)
	}
	return fmt.Errorf("artifact %s: v%d in store %s was not logged completely, %s: %w", name, v, d.root, why.Error(), fs.ErrNotExist)
}

// refused says who may not do what, where that is the matter.
func (d *Dir) refused(ctx context.Context, name, what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("artifact %s: %s may not %s in store %s: %w", name, who(ctx), what, d.root, err)
	}
	return fmt.Errorf("artifact %s: %s in store %s: %w", name, what, d.root, err)
}

func who(ctx context.Context) string {
	if id, ok := identityOf(ctx); ok {
		return fmt.Sprintf("uid %d", id.uid)
	}
	return fmt.Sprintf("uid %d", os.Geteuid())
}
