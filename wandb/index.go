package wandb

import (
	"encoding/base64"
	"encoding/binary"
	"runtime"
	"sort"
	"strings"
)

// index is the manifest of a version: its entries, sorted by path. A manifest may have
// millions: in memory is one number an entry, and the entries lie in a buffer or,
// when they are many, in a file of the temporary directory that has no name.
type index struct {
	layout  string   // of the storage: V1 or V2
	region  string   // of the storage, as a rule ""
	refs    bases    // what the file:// references have in common
	offsets []uint64 // of the entries in data, in the order of their paths
	data    []byte
	strings []string // what the entries have in common: bases of references, birth ids
}

func (x *index) len() int { return len(x.offsets) }

// at returns the i-th entry.
func (x *index) at(i int) entry {
	e := x.decode(x.data[x.offsets[i]:])
	runtime.KeepAlive(x)
	return e
}

// pathAt returns the path of the i-th entry: bytes that are valid as long as x.
func (x *index) pathAt(i int) []byte {
	b := x.data[x.offsets[i]:]
	n, k := binary.Uvarint(b)
	return b[k : k+int(n)]
}

// search returns the first entry whose path is not less than path.
func (x *index) search(path string) int {
	i := sort.Search(len(x.offsets), func(i int) bool { return string(x.pathAt(i)) >= path })
	runtime.KeepAlive(x)
	return i
}

// find returns which entry a path is.
func (x *index) find(path string) (int, bool) {
	i := x.search(path)
	defer runtime.KeepAlive(x)
	return i, i < x.len() && string(x.pathAt(i)) == path
}

// isDir reports whether entries lie below a path.
func (x *index) isDir(path string) bool {
	if path == "" {
		return true
	}
	i := x.search(path + "/")
	defer runtime.KeepAlive(x)
	return i < x.len() && strings.HasPrefix(string(x.pathAt(i)), path+"/")
}

// list calls each with what lies directly below a directory: the name, and which entry
// it is unless it is a directory. Names come sorted as entries, a directory as with
// its slash.
func (x *index) list(dir string, each func(name string, i int, isDir bool)) {
	prefix := dir
	if prefix != "" {
		prefix += "/"
	}
	for i := x.search(prefix); i < x.len(); {
		path := string(x.pathAt(i))
		rest, below := strings.CutPrefix(path, prefix)
		if !below {
			break
		}
		if name, _, isDir := strings.Cut(rest, "/"); isDir {
			each(name, -1, true)
			i = x.search(prefix + name + "0") // '0' follows '/'
		} else {
			each(name, i, false)
			i++
		}
	}
	runtime.KeepAlive(x)
}

// An entry is encoded as its path, and then the fields that it has.
const (
	hasRaw    = 1 << iota // the digest is 16 bytes
	hasText               // the digest is a text
	hasSize               //
	hasRef                // a reference: its beginning is one of strings, its end the path's
	hasBirth              // one of strings
	hasETag               // and which version has it, often ""
	hasXXH128             // the hash; any other is a text
	hasAlg                //
)

// encode appends an entry.
func (b *builder) encode(e *entry) []byte {
	out := appendText(b.scratch[:0], e.path)
	flags := len(out)
	out = append(out, 0)
	if raw, err := base64.StdEncoding.DecodeString(e.digest); err == nil && len(raw) == 16 && base64.StdEncoding.EncodeToString(raw) == e.digest {
		out[flags] |= hasRaw
		out = append(out, raw...)
	} else if e.digest != "" {
		out[flags] |= hasText
		out = appendText(out, e.digest)
	}
	if e.size >= 0 {
		out[flags] |= hasSize
		out = binary.AppendUvarint(out, uint64(e.size))
	}
	if e.ref != "" {
		out[flags] |= hasRef
		same := commonEnd(e.ref, e.path)
		out = b.appendShared(out, e.ref[:len(e.ref)-same])
		out = binary.AppendUvarint(out, uint64(same))
	}
	if e.birth != "" {
		out[flags] |= hasBirth
		out = b.appendShared(out, e.birth)
	}
	if e.etag != "" || e.version != "" {
		out[flags] |= hasETag
		out = appendText(appendText(out, e.etag), e.version)
	}
	if e.alg == xxh128 {
		out[flags] |= hasXXH128
	} else if e.alg != "" {
		out[flags] |= hasAlg
		out = appendText(out, e.alg)
	}
	b.scratch = out
	return out
}

func (x *index) decode(b []byte) entry {
	d := decoder{b}
	e := entry{path: d.text(), size: -1}
	flags := d.bytes(1)[0]
	if flags&hasRaw != 0 {
		e.digest = base64.StdEncoding.EncodeToString(d.bytes(16))
	}
	if flags&hasText != 0 {
		e.digest = d.text()
	}
	if flags&hasSize != 0 {
		e.size = int64(d.number())
	}
	if flags&hasRef != 0 {
		e.ref = x.shared(&d)
		same := int(d.number())
		e.ref += e.path[len(e.path)-same:]
	}
	if flags&hasBirth != 0 {
		e.birth = x.shared(&d)
	}
	if flags&hasETag != 0 {
		e.etag, e.version = d.text(), d.text()
	}
	if flags&hasXXH128 != 0 {
		e.alg = xxh128
	}
	if flags&hasAlg != 0 {
		e.alg = d.text()
	}
	return e
}

// shared reads a text that many entries have: its number, or itself after 0.
func (x *index) shared(d *decoder) string {
	if n := d.number(); n > 0 {
		return x.strings[n-1]
	}
	return d.text()
}

// maxShared bounds how many texts are kept for being shared.
const maxShared = 1024

func (b *builder) appendShared(out []byte, s string) []byte {
	n, ok := b.sharedIDs[s]
	if !ok && len(b.index.strings) < maxShared {
		b.index.strings = append(b.index.strings, strings.Clone(s))
		n, ok = uint64(len(b.index.strings)), true
		b.sharedIDs[strings.Clone(s)] = n
	}
	if ok {
		return binary.AppendUvarint(out, n)
	}
	return appendText(binary.AppendUvarint(out, 0), s)
}

func appendText(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// commonEnd returns how many bytes two strings have in common at their ends, up to a
// slash.
func commonEnd(a, b string) int {
	n, end := 0, min(len(a), len(b))
	slash := 0
	for n < end && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
		if a[len(a)-n] == '/' {
			slash = n
		}
	}
	if n == len(b) && n < len(a) && a[len(a)-1-n] == '/' {
		return n
	}
	return slash
}

// decoder reads what encode wrote.
type decoder struct{ b []byte }

func (d *decoder) number() uint64 {
	n, k := binary.Uvarint(d.b)
	d.b = d.b[k:]
	return n
}

func (d *decoder) bytes(n int) []byte {
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) text() string { return string(d.bytes(int(d.number()))) }
