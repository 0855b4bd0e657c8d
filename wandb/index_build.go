package wandb

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// builder makes an index of a manifest that is read once, from its beginning to its
// end.
type builder struct {
	index     *index
	sharedIDs map[string]uint64
	scratch   []byte
	last      string // the path before
	sorted    bool   // they came in order so far

	buf  bytes.Buffer // what is not in the file yet
	size uint64
	dir  string
	file *os.File // nil while the buffer suffices
}

// inMemory is how much of an index stays in memory.
const inMemory = 4 << 20

// maxValue bounds one value of a manifest, an entry as a rule.
const maxValue = 1 << 20

// readIndex reads a manifest. dir is where a large one's index lies.
func readIndex(r io.Reader, dir string) (*index, error) {
	b := &builder{index: &index{layout: "V1"}, sharedIDs: make(map[string]uint64), sorted: true, dir: dir}
	limit := &limited{r: r}
	d := &manifestReader{dec: json.NewDecoder(limit), limit: limit}
	err := d.read(b)
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		b.discard()
		return nil, err
	}
	return b.index, nil
}

// limited is a reader of which each value gets a piece that is not too large.
type limited struct {
	r    io.Reader
	left int
}

var errTooLarge = fmt.Errorf("a value of it is larger than %d KiB", maxValue>>10)

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// manifestReader reads the parts of a manifest that matter.
type manifestReader struct {
	dec   *json.Decoder
	limit *limited
}

// next lets another value be read.
func (d *manifestReader) next() { d.limit.left = maxValue }

func (d *manifestReader) read(b *builder) error {
	version, listed := 0, false
	err := d.object(func(key string) error {
		switch key {
		case "version":
			return d.dec.Decode(&version)
		case "storagePolicyConfig":
			var c struct{ StorageLayout, StorageRegion string }
			err := d.dec.Decode(&c)
			b.index.layout, b.index.region = cmp.Or(c.StorageLayout, "V1"), c.StorageRegion
			return err
		case "contents":
			listed = true
			return d.object(func(path string) error {
				var j entryJSON
				if err := d.dec.Decode(&j); err != nil {
					return err
				}
				return b.add(j.entry(path))
			})
		}
		var skip json.RawMessage
		return d.dec.Decode(&skip)
	})
	switch {
	case err != nil:
	case version != 1:
		err = fmt.Errorf("it is of version %d, and 1 is the one there is", version)
	case !listed: // an artifact of no files has an empty list: this is damaged
		err = errors.New("it has no list of contents")
	}
	return err
}

// object reads an object, of which value reads each value.
func (d *manifestReader) object(value func(key string) error) error {
	d.next()
	if t, err := d.dec.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return errors.New("it is no manifest")
	}
	for d.next(); d.dec.More(); d.next() {
		key, err := d.dec.Token()
		if err != nil {
			return err
		}
		if err := value(key.(string)); err != nil {
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

// add takes an entry.
func (b *builder) add(e entry) error {
	if err := checkEntry(e.path); err != nil {
		return err
	}
	b.sorted = b.sorted && b.last < e.path
	b.last = e.path
	b.index.refs.add(e.path, e.ref)
	b.index.offsets = append(b.index.offsets, b.size)
	text := b.encode(&e)
	b.size += uint64(len(text))
	b.buf.Write(text)
	if b.buf.Len() < inMemory {
		return nil
	}
	return b.spill()
}

// spill moves the buffer to the file.
func (b *builder) spill() (err error) {
	if b.file == nil {
		if b.file, err = os.CreateTemp(b.dir, "artifactfs-index-"); err != nil {
			return err
		}
		if err := os.Remove(b.file.Name()); err != nil {
			return err
		}
	}
	_, err = b.buf.WriteTo(b.file)
	return err
}

// finish makes the index of what was added.
func (b *builder) finish() error {
	if err := b.store(); err != nil {
		return err
	}
	b.index.offsets = slices.Clip(b.index.offsets)
	if !b.sorted {
		b.sort()
	}
	return b.index.clash()
}

// store makes the entries readable, and is done with the file.
func (b *builder) store() error {
	if b.file == nil {
		b.index.data = bytes.Clone(b.buf.Bytes())
		return nil
	}
	if err := b.spill(); err != nil {
		return err
	}
	data, err := unix.Mmap(int(b.file.Fd()), 0, int(b.size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping the index of %d bytes: %w", b.size, err)
	}
	b.discard()
	b.index.data = data
	runtime.AddCleanup(b.index, func(data []byte) { _ = unix.Munmap(data) }, data)
	return nil
}

func (b *builder) discard() {
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// sort puts the entries in the order of their paths. Of those with one path the
// last counts, as of any keys in JSON.
func (b *builder) sort() {
	x := b.index
	path := func(at uint64) []byte {
		d := decoder{x.data[at:]}
		return d.bytes(int(d.number()))
	}
	slices.SortFunc(x.offsets, func(i, j uint64) int {
		return cmp.Or(bytes.Compare(path(i), path(j)), cmp.Compare(i, j))
	})
	kept := x.offsets[:0]
	for i, at := range x.offsets {
		if i+1 < len(x.offsets) && bytes.Equal(path(at), path(x.offsets[i+1])) {
			continue
		}
		kept = append(kept, at)
	}
	x.offsets = kept
}

// clash reports a path that is that of a file and of a directory.
func (x *index) clash() error {
	last := ""
	for i := range x.len() {
		path := string(x.pathAt(i))
		for j := strings.LastIndexByte(path, '/'); j >= 0; j = strings.LastIndexByte(path[:j], '/') {
			dir := path[:j]
			if strings.HasPrefix(last, dir+"/") {
				break // it was looked at, and so were those above it
			}
			if _, file := x.find(dir); file {
				return fmt.Errorf("the entry %q is a file, and %q lies below it", dir, path)
			}
		}
		last = path
	}
	return nil
}
