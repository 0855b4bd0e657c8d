package cache

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"
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

// complete notes that all of an object's content is right, because one fetch has just
// written it into new files. There is nothing to read then.
func (c *Cache) complete(o *object) {
	defer c.watched()()
	d, err := o.files()
	if err != nil {
		return
	}
	s, err := stampOf(d.data)
	if err != nil || s.size != o.size {
		return
	}
	_ = d.seal(s) // without, the next process reads it
	c.mu.Lock()
	defer c.mu.Unlock()
	o.good = s
}
