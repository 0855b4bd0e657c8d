package cache

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"

	"artifactfs.dev/artifactfs/internal/store"
)

// A seal says, in the last bytes of the sums file's header but its checksum, what the data
// file's stamp was when all of it had been found right. Who finds the file like that has
// no need to read it: it is passed through at the first open after a restart too. It is
// good until the machine restarts: nothing is synced, so what a power failure
// leaves may have the right stamp.
const sealAt = header - 16

// bootID is another after each start of the machine; "" where that cannot be told, and
// nothing is sealed.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})

func (d *disk) sealOf(s stamp) uint64 {
	return xxh3.HashStringSeed(fmt.Sprint(bootID(), s), d.seed)
}

func (d *disk) seal(s stamp) error {
	if bootID() == "" {
		return nil
	}
	_, err := d.sums.WriteAt(binary.LittleEndian.AppendUint64(nil, d.sealOf(s)), sealAt)
	return err
}

// sealed returns the stamp of the data file if that is what was sealed.
func (d *disk) sealed() (stamp, bool) {
	var b [8]byte
	if _, err := d.sums.ReadAt(b[:], sealAt); err != nil || bootID() == "" {
		return stamp{}, false
	}
	s, err := stampOf(d.data)
	return s, err == nil && binary.LittleEndian.Uint64(b[:]) == d.sealOf(s)
}

// complete notes that all of an object's content is right, where this process has just
// written all of it, and nobody else anything: there is nothing to read then. False if it
// is to be read, for there is a digest to compare, or not all of it is there.
func (c *Cache) complete(o *object, src store.Object) bool {
	if algorithm, _ := digestOf(src); store.NewHash(algorithm) != nil {
		return false
	}
	d := o.disk.Load()
	if d == nil {
		return false
	}
	defer c.watched()()
	s, ours := d.untouched()
	if !ours || s.size != o.size || !c.noteGood(o, s) {
		return false
	}
	_ = d.seal(s) // without, the next process reads it
	return true
}

// noteGood notes what stamp a file has that is right, if all of it is there.
func (c *Cache) noteGood(o *object, s stamp) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !o.whole() {
		return false
	}
	o.good = s
	return true
}
