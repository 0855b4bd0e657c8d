package wandb

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"syscall"

	"github.com/zeebo/xxh3"

	"artifactfs.dev/artifactfs/internal/store"
)

// CorruptError is content that is not what the manifest says.
type CorruptError struct {
	Path, Alg, Want, Got string // the hashes in hex
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the bytes of %s are not those that were logged: %s is %s, expected %s", e.Path, e.Alg, e.Got, e.Want)
}

// Unwrap returns EIO.
func (e *CorruptError) Unwrap() error { return syscall.EIO }

// Is reports whether target says the same of any store.
func (e *CorruptError) Is(target error) bool { return target == store.ErrDigest }

func isCorrupt(err error) bool {
	var c *CorruptError
	return errors.As(err, &c)
}

// newHash returns the hash that the digest of an entry is one of; nil if it cannot be
// told, or is of another algorithm than those that are known.
func (e *entry) newHash() hash.Hash {
	if _, ok := e.hexDigest(); !ok || e.ref != "" {
		return nil
	}
	switch e.alg {
	case "":
		return md5.New()
	case xxh128:
		return xxh3.New128() // whose sum is in the big-endian form, as W&B's
	}
	return nil
}

// check compares what was hashed with what the manifest says.
func (e *entry) check(h hash.Hash) error {
	got := h.Sum(nil)
	want, err := base64.StdEncoding.DecodeString(e.digest)
	if err == nil && string(got) == string(want) {
		return nil
	}
	alg := e.alg
	if alg == "" {
		alg = "MD5"
	}
	return &CorruptError{e.path, alg, hex.EncodeToString(want), hex.EncodeToString(got)}
}

// checked hashes a file as it is read from its beginning to its end, in as many pieces
// as it takes. Reads of other places do not disturb it.
type checked struct {
	mu   sync.Mutex // guards what follows
	h    hash.Hash
	next int64 // where the hashed part ends
	busy bool  // a reader has it
	bad  error // the content is not what it should be
}

// begin makes the reader at off the one that is hashed, if it goes on where the last
// one ended.
func (c *checked) begin(e *entry, off int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy || off != 0 && off != c.next {
		return false
	}
	if off == 0 {
		c.h, c.next = e.newHash(), 0
	}
	c.busy = c.h != nil
	return c.busy
}

// took hashes what was read. With the last byte it says whether all are right.
func (c *checked) took(e *entry, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.h.Write(b)
	if c.next += int64(len(b)); c.next == e.size {
		c.bad = e.check(c.h)
	}
	return c.bad
}

func (c *checked) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
}

// spoilt returns the error of a file that is known to be wrong.
func (c *checked) spoilt() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bad
}

// verify hashes all of r.
func (e *entry) verify(r io.Reader) error {
	h := e.newHash()
	if h == nil {
		return nil
	}
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	return e.check(h)
}
