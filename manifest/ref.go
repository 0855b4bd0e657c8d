package manifest

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Latest is the version of a reference that gives none.
const Latest = "latest"

// Ref is a reference to a version of an artifact.
//
// A name of three components has two readings, an artifact that nests and
// ENTITY/PROJECT/NAME; a name with slashes may also be a semantic one, logged with
// dashes. Name keeps what was written; WandB and Dashed give the other readings.
type Ref struct {
	Name    string // passes CheckName
	Version string // latest, vN without leading zeros, or an alias
	Sub     string // a path inside the version without . or .., or ""

	// In is the backend in whose view the version is named, and so whose number it is
	// (.manifest/NAME:v3); "" where it is the tree's.
	In Numbering
}

// ParseRef reads [art://][VIEW/][ENTITY/PROJECT/]NAME[:VERSION][/SUBPATH], where VIEW
// is .manifest or .wandb. The first
// component with a colon ends the name, so only after a version can a path
// follow; its last colon divides name and version, except that a version given
// twice (n:v3:v3, which W&B's records hold) counts once.
//
// VERSION is latest, vN or N, or else taken for an alias. Nothing that leaves the
// store, or the version, is a reference. Errors satisfy fs.ErrInvalid, or for
// what is too long ENAMETOOLONG.
func ParseRef(s string) (Ref, error) {
	r, err := parseRef(strings.TrimPrefix(s, "art://"))
	if err != nil {
		return Ref{}, fmt.Errorf("reference %s: %w", quote(s), invalid(err))
	}
	return r, nil
}

func parseRef(s string) (Ref, error) {
	r := Ref{Version: Latest}
	r.In, s = CutView(s)
	r.Name = s
	if i := strings.IndexByte(s, ':'); i >= 0 {
		end := len(s)
		if slash := strings.IndexByte(s[i:], '/'); slash >= 0 {
			end = i + slash
			r.Sub = s[end+1:]
		}
		i = strings.LastIndexByte(s[:end], ':')
		r.Name, r.Version = s[:i], s[i+1:end]
		r.Name = trimVersions(r.Name, r.Version)
	}
	r.Name = strings.TrimSuffix(r.Name, "/")
	if err := checkRefName(r.Name); err != nil {
		return r, err
	}
	if err := r.checkVersion(); err != nil {
		return r, err
	}
	return r, r.checkSub()
}

// CutView takes the view from the start of a reference, or of a path below a tree's root.
func CutView(s string) (in Numbering, rest string) {
	for _, in := range []Numbering{ByManifest, ByWandB} {
		if rest, ok := strings.CutPrefix(s, in.View()+"/"); ok {
			return in, rest
		}
	}
	return "", s
}

// trimVersions removes from the end of a name the version that follows it.
func trimVersions(name, version string) string {
	v, number := ParseVersion(version)
	for {
		i := strings.LastIndexByte(name, ':')
		if i < 0 {
			return name
		}
		w, ok := ParseVersion(name[i+1:])
		if name[i+1:] != version && !(number && ok && v == w) {
			return name
		}
		name = name[:i]
	}
}

func checkRefName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case strings.HasPrefix(name, "/"):
		return errors.New("the name is an absolute path")
	}
	for c := range strings.SplitSeq(name, "/") {
		if why, kind := badComponent(c); why != "" {
			if strings.HasSuffix(why, "names a version") {
				why += "; a version follows a colon, as in NAME:v3"
			}
			return fmt.Errorf("in the name, %s: %w", why, kind)
		}
	}
	if len(name) > maxName {
		return fmt.Errorf("the name is longer than %d bytes: %w", maxName, syscall.ENAMETOOLONG)
	}
	return nil
}

// checkVersion makes the number canonical. One that does not fit stays as it is:
// no version has it.
func (r *Ref) checkVersion() error {
	if v, ok := ParseVersion(r.Version); ok {
		r.Version = v.String()
		return nil
	}
	switch v := r.Version; {
	case v == "":
		return errors.New("nothing follows the colon")
	case v[0] == '.' || strings.Contains(v, "\x00") || len(v) > maxComponent:
		return errors.New("what follows the colon is neither a version nor an alias")
	}
	return nil
}

func (r *Ref) checkSub() error {
	r.Sub = strings.TrimSuffix(r.Sub, "/")
	if r.Sub == "" {
		return nil
	}
	if strings.Contains(r.Sub, "\x00") {
		return errors.New("the path holds a NUL byte")
	}
	for c := range strings.SplitSeq(r.Sub, "/") {
		switch c {
		case "", ".", "..":
			return fmt.Errorf("the path after the version has the component %q", c)
		}
	}
	return nil
}

// String returns the reference in its canonical form, [VIEW/]NAME:VERSION[/SUB].
func (r Ref) String() string {
	s := r.Which() + ":" + r.Version
	if r.Sub != "" {
		s += "/" + r.Sub
	}
	return s
}

// Which returns the artifact's name, below its view if it is named in one.
func (r Ref) Which() string {
	if r.In == "" {
		return r.Name
	}
	return r.In.View() + "/" + r.Name
}

// Number returns the number of a reference by number.
func (r Ref) Number() (Version, bool) {
	if !strings.HasPrefix(r.Version, "v") {
		return 0, false
	}
	return ParseVersion(r.Version)
}

// Dashed returns r with dashes for the slashes of its name: the name that
// upstream logs a semantic name such as super3/rl/rlvr1/data under. It reports
// whether that is another name.
func (r Ref) Dashed() (Ref, bool) {
	dashed := strings.ReplaceAll(r.Name, "/", "-")
	changed := dashed != r.Name
	r.Name = dashed
	return r, changed
}

// WandB returns the parts of a name that can be read as ENTITY/PROJECT/NAME.
func (r Ref) WandB() (entity, project, name string, ok bool) {
	parts := strings.Split(r.Name, "/")
	if len(parts) != 3 {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}
