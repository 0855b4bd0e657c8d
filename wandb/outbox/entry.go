package outbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// entry is one file of an artifact: a reference, or content that W&B stores.
type entry struct {
	Path   string `json:"path"`
	Digest string `json:"digest"`
	Ref    string `json:"ref,omitempty"`
	Size   int64  `json:"size"`
	Data   []byte `json:"data,omitempty"` // of a stored file
}

func stored(path string, data []byte) entry {
	return entry{Path: path, Digest: md5Base64(data), Size: int64(len(data)), Data: data}
}

func (e *entry) stored() bool { return e.Ref == "" }

// entryWriter writes entries in the order of their paths, one line of JSON each,
// and hashes them on the way: there may be millions, and none is kept.
type entryWriter struct {
	w      *bufio.Writer
	enc    *json.Encoder
	digest artifactDigest
	fixed  []entry // sorted: what comes from elsewhere, and comes before an entry of its path
	last   string
	n      int
	first  string // the first reference to a local file
}

func newEntryWriter(w io.Writer, fixed []entry) *entryWriter {
	b := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return &entryWriter{w: b, enc: enc, digest: newArtifactDigest(), fixed: fixed}
}

// add writes e, and before it those fixed entries that come first. An entry of the
// same path as a fixed one is left out.
func (w *entryWriter) add(e entry) error {
	for len(w.fixed) > 0 && w.fixed[0].Path <= e.Path {
		f := w.fixed[0]
		w.fixed = w.fixed[1:]
		if err := w.write(f); err != nil {
			return err
		}
		if f.Path == e.Path {
			return nil
		}
	}
	return w.write(e)
}

func (w *entryWriter) write(e entry) error {
	if w.n > 0 && e.Path <= w.last {
		return fmt.Errorf("entry %q after %q: out of order", e.Path, w.last)
	}
	w.last = e.Path
	w.n++
	if w.first == "" && strings.HasPrefix(e.Ref, "file://") {
		w.first = e.Ref
	}
	w.digest.add(e.Path, e.Digest)
	return w.enc.Encode(e)
}

// close writes what is left, and returns the digest of all.
func (w *entryWriter) close() (digest string, err error) {
	for _, f := range w.fixed {
		if err := w.write(f); err != nil {
			return "", err
		}
	}
	w.fixed = nil
	return w.digest.hex(), w.w.Flush()
}

// eachEntry calls fn with each entry that an entryWriter wrote.
func eachEntry(r io.Reader, fn func(entry) error) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	for {
		var e entry
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = fn(e)
		}
		if err != nil {
			return err
		}
	}
}
