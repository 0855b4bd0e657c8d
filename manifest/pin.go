package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Pin is what one job sees as an alias: written once, the same on all nodes. One whose
// alias is the version itself, NAME@v2, says that the job has used that version.
type Pin struct {
	ID    string // of the job's snapshot
	Name  string
	Alias string
	Target
	Since time.Time // when it was pinned or moved
	Used  time.Time // when it was last known to be in use, give or take a day
	Where string    // the file
}

// UseOf is the alias under which a snapshot has that its job has used a version. No alias
// is spelled so.
func UseOf(to Target) string { return to.String() }

// IsUse reports whether the pin says that a version was used, and of no alias.
func (p *Pin) IsUse() bool { return p.Alias == UseOf(p.Target) }

// pinAge is how long a pin is kept after its last use. Whether a job has ended
// cannot be told from one node, so age has to do; a pin is a few bytes.
const pinAge = 30 * 24 * time.Hour

// pinTouch is how old the last use may be before it is written anew.
const pinTouch = 24 * time.Hour

// maxPin is far more than a pin's text.
const maxPin = 8192

// badPin is something that has a pin's place and is none: hostile, or broken.
type badPin struct{ path, why string }

func (e *badPin) Error() string {
	return fmt.Sprintf("%s is ignored: %s; artifactfs snapshot rm takes it away", e.path, e.why)
}
func (e *badPin) Unwrap() error { return fs.ErrInvalid }

// pinUID returns the user whose snapshot id is.
func pinUID(id string) (uint32, error) {
	head, rest, ok := strings.Cut(id, ".")
	uid, err := strconv.ParseUint(head, 10, 32)
	if err != nil || !ok || rest == "" || head != strconv.FormatUint(uid, 10) || len(id) > 255 || strings.ContainsAny(id, "/\x00") {
		return 0, fmt.Errorf("%s is no snapshot's id, which is UID.CLUSTER.JOB: %w", quote(id), fs.ErrInvalid)
	}
	return uint32(uid), nil
}

// pinFile is the file name of a pin: NAME@ALIAS with what a file name cannot hold
// as %XX. Names nest, so one can be longer than a file name; the text then has it.
func pinFile(name, alias string) (file, text string) {
	file = escapePin(name) + "@" + escapePin(alias)
	if len(file) <= 255 {
		return file, ""
	}
	sum := sha256.Sum256([]byte(file))
	return "%" + hex.EncodeToString(sum[:]), "\n" + file
}

func escapePin(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '/', c == '@', c == '%', c == '.' && i == 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// parsePin reads a pin's text, found under a file name.
func parsePin(file string, text []byte) (name, alias string, to Target, ok bool) {
	word, long, _ := strings.Cut(string(text), "\n")
	to, good := parseTarget(word)
	if !good {
		return "", "", to, false
	}
	if long != "" {
		if f, _ := splitPin(long); f == "" {
			return "", "", to, false
		}
		file = long
	}
	name, alias = splitPin(file)
	if again, _ := pinFile(name, alias); CheckName(name) != nil || alias != Latest && alias != UseOf(to) && CheckAlias(alias) != nil || long == "" && again != file {
		return "", "", to, false
	}
	return name, alias, to, true
}

func splitPin(file string) (name, alias string) {
	n, a, ok := strings.Cut(file, "@")
	name, err := url.PathUnescape(n)
	alias, err2 := url.PathUnescape(a)
	if !ok || err != nil || err2 != nil {
		return "", ""
	}
	return name, alias
}

// used is the later of the times that a file carries: the one when it was made,
// and the one that is moved while it is in use.
func used(a store.Attr) time.Time {
	if a.Atime.After(a.Mtime) {
		return a.Atime
	}
	return a.Mtime
}
