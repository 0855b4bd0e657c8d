package manifest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// requestPatience is how long a second request waits for the first with its id.
// Locks of dead writers are gone with them.
const requestPatience = 20 * time.Second

// request is the file that says which version answered a request_id: the number,
// written and durable before that version's manifest.json has its name. It is
// locked while its writer is at work. A number whose version did not become
// complete is that of a writer that died, and is replaced.
type request struct {
	*os.File
	busy bool // another writer holds it
}

// openRequest opens the file of a request_id, and locks it; nil without an id.
// Ids are each user's own: another's file is not believed.
func (d *Dir) openRequest(ctx context.Context, name, id string) (*request, error) {
	if id == "" {
		return nil, nil
	}
	uid := uint32(os.Geteuid())
	if c, ok := store.CallerOf(ctx); ok {
		uid = c.UID
	}
	hash := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s", uid, name, id)))
	dir, err := d.own("requests", hash[:2])
	if err != nil {
		return nil, err
	}
	f, err := openShared(dir+"/"+hash, 0o600)
	if err != nil {
		return nil, err
	}
	if !ownedBy(f, dir, uid) {
		f.Close()
		return nil, fmt.Errorf("%s is another user's: %w", f.Name(), fs.ErrPermission)
	}
	err = flock(f)
	if err != nil && !errors.Is(err, errBusy) {
		d.log.Warn("no locks on this file system: a request_id sent twice at once may be logged twice", "store", d.root, "err", err)
	}
	return &request{f, errors.Is(err, errBusy)}, nil
}

// openShared opens a file for writing, making it if need be. A file of another
// user in a directory like /tmp must not be opened with O_CREAT: the kernel
// refuses that (fs.protected_regular).
func openShared(path string, mode fs.FileMode) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|oNoFollow|oNonblock, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|oNoFollow, mode)
		if err == nil {
			if fi, err := f.Stat(); err == nil && fi.Mode().Perm() != mode {
				f.Chmod(mode) // the umask's doing
			}
		}
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// ownedBy reports whether f, in dir, is a file that uid made: it has the owner
// that a new file gets, which a file server may have mapped.
func ownedBy(f *os.File, dir string, uid uint32) bool {
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || fi.Mode().Perm()&0o022 != 0 {
		return false
	}
	if owner, ok := ownerOf(fi); ok && owner == uid {
		return true
	}
	t, err := newTemporary(dir+"/owner.json", nil)
	if err != nil {
		return false
	}
	defer t.discard()
	mine, err := t.Stat()
	if err != nil {
		return false
	}
	a, _ := ownerOf(fi)
	b, ok := ownerOf(mine)
	return ok && a == b
}

// version returns the number in the file.
func (r *request) version() (v int, ok bool) {
	b, err := io.ReadAll(io.NewSectionReader(r, 0, 64))
	if err != nil || !strings.HasSuffix(string(b), "\n") {
		return 0, false
	}
	v, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return v, err == nil
}

// record writes the number, which is to be synced.
func (r *request) record(v int) syncer {
	if r == nil {
		return nil
	}
	if r.Truncate(0) != nil {
		return nil
	}
	if _, err := r.WriteAt(fmt.Appendf(nil, "%d\n", v), 0); err != nil {
		return nil
	}
	return r.File
}

var errBusy = errors.New("held by another writer")

// flock locks an open file, or fails with errBusy. It does not wait: whoever
// holds it may be on a node that hangs.
func flock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return errBusy
	}
	return err
}

// patience is a wait with growing steps, and an end.
type patience struct {
	until time.Time
	next  time.Duration
}

func newPatience(total time.Duration) *patience {
	return &patience{time.Now().Add(total), 100 * time.Microsecond}
}

func (p *patience) over() bool { return time.Now().After(p.until) }

func (p *patience) sleep() {
	time.Sleep(p.next/2 + rand.N(p.next))
	p.next = min(2*p.next, 10*time.Millisecond)
}
