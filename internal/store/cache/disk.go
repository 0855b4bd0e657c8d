package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"
)

// unit is what is kept or not. A random read of 256 KiB touches five of them: 1.25
// times what was asked for.
const unit = 64 << 10

// The sums file begins with a header of one page: magic, size of the object,
// length of the key, the key; in the last bytes a seal, and the checksum of the rest.
const (
	magic   = "afscach1"
	header  = 4096
	sumSize = 8
	maxKey  = header - 64
)

// errDamaged is that a file is not what was written.
var errDamaged = errors.New("damaged")

// fileName is the name of an object's file.
func fileName(key string, size int64) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\x00%s", size, key)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// head is what the header says.
type head struct {
	key  string
	size int64
}

func (h head) encode() []byte {
	b := make([]byte, header)
	copy(b, magic)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.size))
	binary.LittleEndian.PutUint32(b[16:], uint32(len(h.key)))
	copy(b[20:], h.key)
	binary.LittleEndian.PutUint64(b[header-8:], xxh3.Hash(b[:sealAt]))
	return b
}

func decodeHead(r io.ReaderAt) (head, error) {
	b := make([]byte, header)
	if _, err := r.ReadAt(b, 0); err != nil {
		return head{}, errDamaged
	}
	n := binary.LittleEndian.Uint32(b[16:])
	h := head{size: int64(binary.LittleEndian.Uint64(b[8:]))}
	if string(b[:8]) != magic || binary.LittleEndian.Uint64(b[header-8:]) != xxh3.Hash(b[:sealAt]) || n > maxKey || h.size < 0 {
		return head{}, errDamaged
	}
	h.key = string(b[20 : 20+n])
	return h, nil
}

// disk is the two files of an object. Its methods may be used concurrently, for
// different units.
type disk struct {
	head
	data, sums *os.File
	seed       uint64
	hands
}

// reader reads from a file into p: readNow, or readWait.
type reader func(f *os.File, p []byte, off int64) int

// readWait reads, and waits for the disk.
func readWait(f *os.File, p []byte, off int64) int {
	n, _ := f.ReadAt(p, off)
	return n
}

func (h head) seed() uint64 { return xxh3.HashString(h.key) + uint64(h.size) }

const sumsSuffix = ".sums"

// openDisk opens files that are there. It is errDamaged, or an error of the system's,
// if they are not those of h.
func openDisk(dir string, h head) (*disk, error) {
	d, err := openNamed(dir, fileName(h.key, h.size))
	if err == nil && d.head != h {
		d.close()
		return nil, errDamaged
	}
	return d, err
}

// openNamed opens the files of an object by their name.
func openNamed(dir, name string) (*disk, error) {
	path := filepath.Join(dir, name)
	sums, err := os.OpenFile(path+sumsSuffix, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	data, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		sums.Close()
		return nil, err
	}
	d := &disk{data: data, sums: sums}
	d.head, err = decodeHead(sums)
	if fi, statErr := data.Stat(); err == nil && (statErr != nil || fileName(d.key, d.size) != name || fi.Size() != d.size) {
		err = errDamaged
	}
	if err != nil {
		d.close()
		return nil, err
	}
	d.seed = d.head.seed()
	return d, nil
}

// createDisk makes the files of an object of which nothing is kept.
func createDisk(dir string, h head) (*disk, error) {
	// Files that are there may be open whole, and must not change for who reads them.
	if err := removeDisk(dir, fileName(h.key, h.size)); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName(h.key, h.size))
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	data, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	sums, err := os.OpenFile(path+sumsSuffix, flags, 0o600)
	if err != nil {
		data.Close()
		return nil, err
	}
	d := &disk{head: h, data: data, sums: sums, seed: h.seed()}
	if _, err = sums.WriteAt(d.encode(), 0); err == nil {
		// The whole length at once: file systems that guess how far a growing file
		// will go would take more of the disk than was reserved.
		err = data.Truncate(h.size)
	}
	if err == nil {
		d.last, err = stampOf(data)
		d.ours.Store(err == nil)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *disk) close() {
	d.data.Close()
	d.sums.Close()
}

// length returns how many bytes unit u has.
func (h head) length(u int64) int { return int(min(unit, h.size-u*unit)) }

// sum is the checksum of a unit's bytes, never 0.
func (d *disk) sum(u int64, p []byte) uint64 {
	return max(xxh3.HashSeed(p, d.seed+uint64(u)), 1)
}

// write keeps p, whose first byte is the first of unit u: whole units, and the last
// as it is.
func (d *disk) write(u int64, p []byte) error {
	if _, err := d.data.WriteAt(p, u*unit); err != nil {
		return err
	}
	n := (len(p) + unit - 1) / unit
	s := make([]byte, 0, n*sumSize)
	for i := range n {
		part := p[i*unit : min(len(p), (i+1)*unit)]
		s = binary.LittleEndian.AppendUint64(s, d.sum(u+int64(i), part))
	}
	_, err := d.sums.WriteAt(s, header+u*sumSize)
	return err
}

// read reads p from off, all of whose units should be there. It returns how many
// bytes are right; if those are not all, the unit after them is not what was written,
// or what reads it would have had to wait.
func (d *disk) read(by reader, p []byte, off int64) int {
	first, last := off/unit, (off+int64(len(p))-1)/unit
	sums := make([]byte, (last-first+1)*sumSize)
	sums = sums[:by(d.sums, sums, header+first*sumSize)/sumSize*sumSize]
	done := 0
	for u := first; u <= last && len(sums) > 0; u, sums = u+1, sums[sumSize:] {
		n := d.readUnit(by, p[done:], u, int(off+int64(done)-u*unit), binary.LittleEndian.Uint64(sums))
		if n == 0 {
			break
		}
		done += n
	}
	return done
}

// readUnit reads what p takes of unit u from its byte at; 0 if the unit is not what
// was written.
func (d *disk) readUnit(by reader, p []byte, u int64, at int, want uint64) int {
	n := d.length(u)
	whole := p
	if at > 0 || len(p) < n {
		b := unitBuffers.Get().(*[]byte)
		defer unitBuffers.Put(b)
		whole = *b
	}
	whole = whole[:n]
	if by(d.data, whole, u*unit) != n || d.sum(u, whole) != want {
		return 0
	}
	if at > 0 || len(p) < n {
		return copy(p, whole[at:])
	}
	return n
}

// errOpen is that somebody has a file open whole.
var errOpen = errors.New("somebody has it open")

// clear forgets the units from first, n of them, and gives back their room. Who has
// opened the file whole holds a lock on it, which stays for as long as the kernel has
// the file, whatever becomes of the process.
func (d *disk) clear(first int64, n int) error {
	if err := unix.Flock(int(d.data.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		return errOpen
	}
	defer unix.Flock(int(d.data.Fd()), unix.LOCK_UN)
	if _, err := d.sums.WriteAt(make([]byte, n*sumSize), header+first*sumSize); err != nil {
		return err
	}
	return punch(d.data, first*unit, int64(n)*unit)
}

// present reads which units there are, by their sums.
func (d *disk) present() ([]bool, error) {
	n := (d.size + unit - 1) / unit
	b := make([]byte, n*sumSize)
	if _, err := d.sums.ReadAt(b, header); err != nil && err != io.EOF {
		return nil, err
	}
	is := make([]bool, n)
	zero := make([]byte, sumSize)
	for i := range is {
		is[i] = !bytes.Equal(b[i*sumSize:(i+1)*sumSize], zero)
	}
	return is, nil
}

func removeDisk(dir, name string) error {
	err := os.Remove(filepath.Join(dir, name+sumsSuffix))
	return errors.Join(ifExisted(err), ifExisted(os.Remove(filepath.Join(dir, name))))
}

func ifExisted(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
