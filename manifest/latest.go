package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// maxPointer bounds the text of latest or of an alias. Upstream strips blanks
// around it, however many.
const maxPointer = 64 << 10

// pointer is what latest or an alias says: a file that holds a version, or a
// symbolic link to a version or to such a file.
type pointer struct {
	v      int
	ok     bool   // it names version v, which need not exist
	absent bool   // it is not there, or a link to nothing
	hidden bool   // the caller may not read it
	text   string // what it says instead, for a warning
}

func (p pointer) String() string {
	switch {
	case p.ok:
		return Version(p.v).String()
	case p.text == "":
		return "nothing"
	}
	return p.text
}

// readPointer reads an entry of a real artifact directory. A file that cannot be
// read as a version is a pointer that names none, not an error.
// To be called inside do.
func readPointer(dir, entry string) (pointer, error) {
	for range 8 {
		fi, err := os.Lstat(dir + "/" + entry)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return pointer{absent: true}, nil
		case err != nil:
			return pointer{}, err
		case fi.Mode().IsRegular():
			return readPointerFile(dir + "/" + entry)
		case fi.Mode()&fs.ModeSymlink == 0:
			return pointer{text: "no file"}, nil
		}
		target, err := os.Readlink(dir + "/" + entry)
		if err != nil {
			return pointer{}, err
		}
		if v, ok := versionText(target); ok {
			_, err := os.Lstat(dir + "/" + Version(v).String())
			return pointer{v: v, ok: true, absent: errors.Is(err, fs.ErrNotExist), text: quote(target)}, nil
		}
		entry = path.Clean(target)
		if entry == "." || strings.Contains(entry, "/") || strings.HasPrefix(entry, "..") {
			return pointer{text: "a link to " + quote(target)}, nil
		}
	}
	return pointer{text: "links in a circle"}, nil
}

func readPointerFile(name string) (pointer, error) {
	b, err := readSmall(name, maxPointer)
	switch {
	case errors.Is(err, fs.ErrNotExist): // renamed over since
		return pointer{absent: true}, nil
	case errors.Is(err, fs.ErrPermission):
		return pointer{hidden: true, text: "what may not be read"}, nil
	case errors.Is(err, syscall.EFBIG):
		return pointer{text: "a long text"}, nil
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ELOOP):
		return pointer{text: "no file"}, nil
	case err != nil:
		return pointer{}, err
	}
	return textPointer(b), nil
}

// textPointer reads the text of a latest or an alias.
func textPointer(b []byte) pointer {
	text := strings.TrimFunc(string(b), pythonSpace)
	v, ok := versionText(text)
	return pointer{v: v, ok: ok, text: quote(text)}
}

// versionText reads the text of a latest as upstream does, as a path below the
// artifact, but only one that is a version there: v2, ./v2 or v2/.
func versionText(s string) (int, bool) {
	if !utf8.ValidString(s) || strings.Contains(s, "..") || strings.HasPrefix(s, "/") {
		return 0, false
	}
	v, canonical, _ := number(path.Clean(s))
	return v, canonical
}

// pythonSpace reports what str.strip removes: more than unicode.IsSpace by the
// four separators, and not the byte order mark.
func pythonSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// latestOf decides which version is latest: the one that is named, if it exists
// for readers, else the highest that does. It never goes back behind what it
// was before in this process, except where that version was retired or removed:
// upstream's writers may put a lower number there, and a job must not see it.
func (s *snapshot) latestOf(p pointer, before int) (v int, warning string) {
	highest := NoVersion
	for _, list := range [][]int{s.complete, s.legacy} {
		for _, v := range list {
			if !s.isRetired(v) {
				highest = max(highest, v)
			}
		}
		if highest != NoVersion {
			break
		}
	}
	switch {
	case p.ok && s.shows(p.v):
		v = p.v
	case p.ok && s.isRetired(p.v):
		v = highest
	case p.hidden:
		v, warning = NoVersion, "latest may not be read"
	case p.absent:
		v = highest
	default:
		v = highest
		warning = fmt.Sprintf("latest names %s, which is no complete version", p)
	}
	if before > v && s.shows(before) {
		warning = fmt.Sprintf("latest names %s, but was v%d before; retire what must not be latest", p, before)
		v = before
	}
	return v, warning
}
