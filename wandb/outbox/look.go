package outbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// look looks at the data as the caller, who may be gone later. What takes long goes
// on while the push already waits in the outbox: others leave it alone as long as the
// lock is held, and begin anew if this process ends.
func (o *Outbox) look(ctx context.Context, it *item) error {
	lock, err := o.lockLook(it.ID)
	if lock == nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(o.closed, cancel)
	done := make(chan struct{})
	o.group.Go(func() {
		defer close(done)
		defer stop()
		defer cancel()
		defer o.Kick()
		defer lock.Close()
		defer os.Remove(lock.Name())
		o.step("look " + it.Name)
		if _, err := o.freeze(ctx, it); err != nil && ctx.Err() == nil {
			o.opt.Log.Warn("data is looked at again later", "artifact", it.Name, "version", it.version(), "err", err)
		}
	})
	t := time.NewTimer(o.wait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	return nil
}

// lockLook returns nil where somebody else looks at the data.
func (o *Outbox) lockLook(id string) (*os.File, error) {
	if err := o.box.make(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(o.box.path(id+lookExt), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// looking reports whether some process looks at the data of a push.
func (o *Outbox) looking(id string) bool {
	f, err := os.Open(o.box.path(id + lookExt))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// looked waits until nobody does.
func (o *Outbox) looked(ctx context.Context, id string) error {
	for o.looking(id) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
