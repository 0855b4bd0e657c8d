package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/manifest/manifesttest"
)

// answer is what a reference leads to in a store.
type answer struct {
	rec     *manifest.Record
	version int
	warning string
}

// ask resolves a reference as a reader does.
func ask(d *manifest.Dir, text string) (answer, error) {
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return answer{}, err
	}
	return askVersion(d, ref.Name, ref.Version)
}

func askVersion(d *manifest.Dir, name, version string) (a answer, err error) {
	ctx := context.Background()
	l, err := d.Versions(ctx, name)
	if err != nil {
		return a, err
	}
	a.warning = l.Warning
	alias, isAlias := l.Aliases[version]
	n, isNumber := manifest.ParseVersion(version)
	switch {
	case version == manifest.Latest && l.Latest > 0:
		a.version = l.Latest
	case isNumber:
		a.version = int(n)
	case isAlias:
		a.version = alias
	default:
		return a, fmt.Errorf("%s:%s: %w", name, version, fs.ErrNotExist)
	}
	a.rec, err = d.Manifest(ctx, name, a.version)
	return a, err
}

// differs are the recorded cases whose fix is not in the record, or not what
// their fix says, with why.
var differs = map[string]struct {
	path string // "" is an error
	why  string
}{
	"local/v02-directory":                {"", "78: v02 counts for numbering only; upstream's tracker does not find it either"},
	"local/alias-directory":              {"", "27: an alias is a file or a link; upstream's tracker does not find a directory either"},
	"store/version-symlink-out":          {"", "74: nothing leads out of the store"},
	"local/version-symlink-out":          {"", "74: nothing leads out of the store"},
	"store/manifest-symlink":             {"", "74: records are regular files"},
	"local/manifest-symlink":             {"", "74: records are regular files"},
	"store/name-looks-like-version":      {"", "94: no artifact is named v2"},
	"local/name-looks-like-version":      {"", "94: no artifact is named v2"},
	"store/nested-under-version":         {"", "94: no artifact lies in a version"},
	"local/nested-under-version":         {"", "94: no artifact lies in a version"},
	"store/empty-name-root-v3":           {"", "94: a name is not empty"},
	"local/empty-name-root-v3":           {"", "94: a name is not empty"},
	"store/v0-directory":                 {"/data/lustre/d/n/0", ""},
	"store/doubled-version":              {"/data/lustre/d/n/3", "the fix"},
	"local/doubled-version":              {"/data/lustre/d/n/3", "the fix"},
	"store/v02":                          {"/data/lustre/d/n/2", "the fix"},
	"store/02":                           {"/data/lustre/d/n/2", "the fix"},
	"local/v02":                          {"/data/lustre/d/n/2", "the fix"},
	"local/02":                           {"/data/lustre/d/n/2", "the fix"},
	"store/alias-symlink":                {"/data/lustre/d/n/1", "the fix"},
	"local/alias-symlink":                {"/data/lustre/d/n/1", "the fix"},
	"store/alias-file":                   {"/data/lustre/d/n/1", "the fix"},
	"local/alias-file":                   {"/data/lustre/d/n/1", "the fix"},
	"store/alias-starts-with-v":          {"/data/lustre/d/n/1", "the fix"},
	"local/alias-starts-with-v":          {"/data/lustre/d/n/1", "the fix"},
	"store/manifest-bom":                 {"/a", "the fix"},
	"local/manifest-bom":                 {"/a", "the fix"},
	"store/manifest-number-4301":         {"/a", "the fix"},
	"local/manifest-number-4301":         {"/a", "the fix"},
	"store/manifest-metadata-null":       {"/a", "the fix"},
	"local/manifest-metadata-null":       {"/a", "the fix"},
	"store/manifest-metadata-list":       {"/a", "the fix"},
	"local/manifest-metadata-list":       {"/a", "the fix"},
	"store/manifest-metadata-string":     {"/a", "the fix"},
	"local/manifest-metadata-string":     {"/a", "the fix"},
	"store/latest-symlink-to-version":    {"/data/lustre/d/n/2", "75"},
	"local/latest-symlink-to-version":    {"/data/lustre/d/n/2", "75"},
	"store/latest-bom":                   {"/data/lustre/d/n/3", "77: as 22, the highest complete version"},
	"local/latest-bom":                   {"/data/lustre/d/n/3", "77: as 22, the highest complete version"},
	"store/manifest-deep":                {"", "refused, which the fix allows"},
	"local/manifest-deep":                {"", "refused, which the fix allows"},
	"legacy-local/data-manifest":         {"/data/case/root/n/v1", "67"},
	"legacy-local/alias-only-in-index":   {"/store", "a number has one record: v1's is the store's, also by an alias of the index"},
	"store/latest-missing-newest-empty":  {"/data/lustre/d/n/3", "25"},
	"local/latest-missing-newest-empty":  {"/data/lustre/d/n/3", "25"},
	"legacy-local/dangling-latest":       {"/data/case/root/n/v2", ""},
	"store/v02-directory-no-latest":      {"/data/lustre/d/n/1", "25 and 78: v02 does not exist for readers"},
	"local/v02-directory-no-latest":      {"/data/lustre/d/n/1", "25 and 78: v02 does not exist for readers"},
	"store/manifest-path-trailing-slash": {"/data/lustre/d/", "the path is the recorded one"},
	"store/manifest-path-double-slash":   {"/data//lustre", "the path is the recorded one"},
	"store/manifest-path-uri":            {"s3://b/k/", "the path is the recorded one"},
	"store/manifest-path-file-uri":       {"file:///data/x", "the path is the recorded one"},
}

// fixedVersion is the version that a case's fix names, "" if it names none.
func fixedVersion(c manifesttest.Case) (v string, warned bool) {
	switch fix := c.Fix; {
	case strings.Contains(fix, "the highest complete version, with a warning"):
		return "highest", true
	case len(fix) == 2 && fix[0] == 'v':
		return fix, false
	}
	return "", false
}

// The store's part of the recorded cases: 1–5, 17–27, 30–34, 53, 66–68, 73–83, 94.
func TestRecordedStore(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "store", "local") {
		t.Run(c.Test(), func(t *testing.T) {
			dir := t.TempDir()
			lay(t, c, dir)
			d := open(t, dir+"/root", nil)
			got, err := ask(d, c.Text("ref"))
			want, wantDir := "", ""
			if r, ok := c.Result.(map[string]any); ok && c.Fix == "" {
				want, _ = r["path"].(string)
				wantDir, _ = r["dir"].(string)
				if c.Op == "local" {
					wantDir, _ = r["metadata_dir"].(string)
				}
			}
			v, warned := fixedVersion(c)
			if other, ok := differs[c.Name]; ok {
				want, wantDir, v = other.path, "", ""
			}
			if v != "" {
				if v == "highest" {
					v = "v" + fmt.Sprint(highestOf(c))
				}
				if err != nil || fmt.Sprintf("v%d", got.version) != v || warned && got.warning == "" {
					t.Fatalf("%s is v%d, %v, warning %q; want %s: %s", c.Text("ref"), got.version, err, got.warning, v, c.Fix)
				}
				return
			}
			if want == "" {
				if err == nil {
					t.Fatalf("%s is %s; upstream: %s%s", c.Text("ref"), got.rec.Manifest.Path, c.Error, c.Fix)
				}
				if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, syscall.ENAMETOOLONG) && !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s: %v is not an error of that kind", c.Text("ref"), err)
				}
				return
			}
			if err != nil || !samePath(got.rec.Manifest.Path, want, dir) {
				t.Fatalf("%s is %v, %v; want path %s", c.Text("ref"), got.rec, err, want)
			}
			if wantDir != "" && !sameVersionDir(got, wantDir) {
				t.Errorf("%s lies in %s; want %s", c.Text("ref"), got.rec.Dir, wantDir)
			}
		})
	}
}

// lay makes the case's files, with the paths in an index moved too.
func lay(t *testing.T, c manifesttest.Case, dir string) {
	t.Helper()
	for path, content := range c.Files {
		if text, ok := content.(string); ok && strings.HasSuffix(path, ".art_index.json") {
			c.Files[path] = strings.ReplaceAll(text, "/data/case", dir)
		}
	}
	c.Lay(t, dir)
}

// samePath compares a recorded path, which may have been moved to dir; lone
// surrogates do not survive the decoding of the case.
func samePath(got, want, dir string) bool {
	return got == manifesttest.Moved(want, dir) || got == want || strings.HasPrefix(got, "/a\xed")
}

// sameVersionDir compares the last parts: links are resolved here, and an alias
// of the index or upstream's resolver is its version.
func sameVersionDir(got answer, want string) bool {
	base := path.Base(path.Clean(want))
	_, err := fmt.Sscanf(base, "v%d", new(int))
	return err != nil || base == path.Base(got.rec.Dir) || fmt.Sprintf("v%d", got.version) == base
}

func highestOf(c manifesttest.Case) (top int) {
	for name := range c.Files {
		var v int
		if n, _ := fmt.Sscanf(name, "/data/case/root/n/v%d", &v); n == 1 && strings.HasSuffix(name, "/manifest.json") {
			top = max(top, v)
		}
	}
	return top
}

// What a root may be. Upstream makes directories called s3: and ~ of the others.
func TestRecordedRoots(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "root", "registry_root") {
		t.Run(c.Test(), func(t *testing.T) {
			root := c.Text("root")
			d, err := manifest.OpenDir(root, nil)
			want := ""
			if rest, ok := strings.CutPrefix(root, "file://"); ok {
				want = rest
			} else if rest, ok := strings.CutPrefix(root, "local://"); ok {
				want = rest
			} else if strings.HasPrefix(root, "/") && root != "/" {
				want = root
			}
			if want == "" {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("OpenDir(%q): %v; want fs.ErrInvalid", root, err)
				}
				return
			}
			if want = strings.TrimRight(want, "/"); err != nil || d.String() != want {
				t.Errorf("OpenDir(%q) = %v, %v; want %s", root, d, err, want)
			}
		})
	}
}

// Rows 66, 67 and 92: the index of the older format.
func TestRecordedLegacy(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "legacy", "from_uri", "art_read") {
		t.Run(c.Test(), func(t *testing.T) {
			dir := t.TempDir()
			lay(t, c, dir)
			d := open(t, dir+"/root", nil)
			switch {
			case c.Op == "legacy":
				recordedLegacy(t, c, d, dir)
			case c.Name == "from-uri/no-scheme":
				t.Skip("a reference needs no scheme here")
			default:
				recordedURI(t, c, d, dir)
			}
		})
	}
}

func recordedLegacy(t *testing.T, c manifesttest.Case, d *manifest.Dir, dir string) {
	version := manifest.Latest
	if v := c.Input["version"]; v != nil {
		version = fmt.Sprint(v)
	}
	got, err := askVersion(d, c.Text("name"), version)
	want, ok := c.Result.(string)
	switch {
	case c.ID == "92":
		// The store, which is empty, answers; the log has the warning.
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v; want fs.ErrNotExist", err)
		}
		ok2(t, os.MkdirAll(dir+"/root/m/v1", 0o755), os.WriteFile(dir+"/root/m/v1/manifest.json", []byte(`{"path": "/a"}`), 0o644))
		l, err := d.Versions(context.Background(), "m")
		if err != nil || l.Latest != 1 || !strings.Contains(l.Warning, ".art_index.json") {
			t.Errorf("beside a broken index: %+v, %v; want v1 and a warning", l, err)
		}
	case c.Name == "legacy/v-string": // the library's own argument; references have vN
		if err != nil || got.version != 1 {
			t.Errorf("v1 = v%d, %v", got.version, err)
		}
	case !ok:
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, %v; upstream: %s", got, err, c.Error)
		}
	case err != nil || got.rec.Manifest.Path != manifesttest.Moved(want, dir) || !got.rec.Legacy:
		t.Errorf("%+v, %v; want %s of the index", got.rec, err, want)
	}
}

// recordedURI resolves what from_uri and a read through art:// do. Upstream's
// readers know the index only, and metadata.json's path; here the store answers,
// with the recorded path.
func recordedURI(t *testing.T, c manifesttest.Case, d *manifest.Dir, dir string) {
	uri := c.Text("uri")
	ref, err := manifest.ParseRef(uri)
	if c.Name == "art-read/dotdot" {
		if err == nil {
			t.Errorf("%s was parsed as %v; want it refused (74)", uri, ref)
		}
		return
	}
	ok(t, err)
	got, err := ask(d, uri)
	if ref.Version == "validated" { // row 10: an alias, which this index does not have
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is %+v, %v; want fs.ErrNotExist", uri, got, err)
		}
		return
	}
	ok(t, err)
	if c.Op == "art_read" {
		b, err := os.ReadFile(filepath.Join(got.rec.Manifest.Path, ref.Sub))
		if want, _ := c.Result.(string); want != "" && string(b) != want {
			t.Errorf("%s holds %q, %v; want %q", uri, b, err, want)
		}
		return
	}
	want := map[string]int{
		"from-uri/latest": 2, "from-uri/version": 1, "from-uri/alias": 1,
		"from-uri/missing-metadata": 2, "from-uri/manifest-store-only": 1,
	}[c.Name]
	if got.version != want || got.rec.Legacy == (c.Name == "from-uri/manifest-store-only") {
		t.Errorf("%s is %+v; want v%d", uri, got, want)
	}
	if c.Name == "from-uri/version" {
		if v, err := got.rec.Field("iteration", "v1"); err != nil || fmt.Sprint(v) != "5" || got.rec.Manifest.Type != "T" {
			t.Errorf("iteration %v, %v, type %s; want what metadata.json beside the data says", v, err, got.rec.Manifest.Type)
		}
	}
}

func ok2(t *testing.T, errs ...error) {
	t.Helper()
	ok(t, errors.Join(errs...))
}

// The store that upstream wrote, read whole.
func TestGoldenStore(t *testing.T) {
	for root, want := range map[string][2]int{"artifacts": {31, 77}, "legacy": {3, 7}} {
		d := open(t, manifesttest.Golden(t, root), &manifest.DirOptions{ReadOnly: true})
		names, count := walkNames(t, d, "")
		if names != want[0] || count != want[1] {
			t.Errorf("%s has %d names and %d versions; want %d and %d", root, names, count, want[0], want[1])
		}
	}
}

// walkNames reads every record below prefix, and counts artifacts and versions.
func walkNames(t *testing.T, d *manifest.Dir, prefix string) (names, count int) {
	t.Helper()
	ctx := context.Background()
	list, err := d.Names(ctx, prefix)
	ok(t, err)
	for _, name := range list {
		name = path.Join(prefix, name)
		l, err := d.Versions(ctx, name)
		ok(t, err)
		for _, v := range l.Versions {
			r, err := d.Manifest(ctx, name, v)
			if err != nil || r.Manifest.Path == "" || !r.Legacy && r.Meta == nil {
				t.Errorf("%s:v%d: %+v, %v", name, v, r, err)
			}
		}
		if len(l.Versions) > 0 {
			names++
			count += len(l.Versions)
			if want := l.Versions[len(l.Versions)-1]; l.Latest != want || l.Warning != "" {
				t.Errorf("%s: latest is v%d (%s); want v%d", name, l.Latest, l.Warning, want)
			}
		}
		n, c := walkNames(t, d, name)
		names, count = names+n, count+c
	}
	return names, count
}
