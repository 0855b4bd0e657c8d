package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

func TestManifestView(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", `{"path": "DATA/d", "aliases": ["prod"]}`)
	s.log("team/b", "d")
	s.wantLs(".manifest", "a/ team/")
	s.wantLs(".manifest/team", "b/")
	s.wantLs(".manifest/a", "latest prod v1/")
	s.wantLs(".manifest/a/v1", "data@ manifest.json metadata.json")
	for _, file := range []string{"manifest.json", "metadata.json"} {
		want, err := os.ReadFile(s.root + "/a/v1/" + file)
		ok(t, err)
		s.want(file, s.read(".manifest/a/v1/"+file), string(want))
	}
	s.want("latest", s.read(".manifest/a/latest"), "v1")
	s.want("prod", s.read(".manifest/a/prod"), "v1")
	if e := s.walk1(".manifest/a/latest"); e.Attr.Size != 2 || e.Attr.Mode&syscall.S_IFMT != syscall.S_IFREG {
		t.Errorf("latest: %o, %d bytes", e.Attr.Mode, e.Attr.Size)
	}
	s.want("data", s.readlink(".manifest/a/v1/data"), "../../../a/v1")
	s.want("data of a nested name", s.readlink(".manifest/team/b/v1/data"), "../../../../team/b/v1")
	s.want("through data", s.read(".manifest/team/b/v1/data/x"), "1")
	s.wantNone(".manifest/a/v2", fs.ErrNotExist)
	s.wantNone(".manifest/.art_index.json", fs.ErrNotExist)

	// A number that is taken and has no record is here, or writers would compute it for ever.
	ok(t, s.dir.Claim(ctx, "a", 2))
	s.wantLs(".manifest/a", "latest prod v1/ v2/")
	s.wantLs(".manifest/a/v2", "")
	s.wantLs("a", "latest@ prod@ v1/")
	s.wantLs(".fields/a", "latest/ prod/ v1/")
	s.wantNone("a/v2", fs.ErrNotExist)
	_, err := s.Retire(ctx, ref(t, "a:v1"), "why", false)
	ok(t, err)
	if got := s.ls(".manifest/a"); !strings.Contains(got, "v1/ v2/") {
		t.Errorf("a retired number can be taken again: %s", got)
	}
}

// A directory in which no version is whole is no artifact: it goes from listings once
// it is known, and is back with its first version. .manifest goes on showing it, for
// writers count on from what is there.
func TestUnfinishedIsNoArtifact(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	w, _ := s.writer()
	_, err := s.dirAt(".manifest").Mkdir(w.ctx, "x")
	ok(t, err)
	_, err = s.dirAt(".manifest/x").Mkdir(w.ctx, "v1")
	ok(t, err)
	ok(t, s.dir.Claim(ctx, "team/y", 1)) // by another node
	s.wantLs("", "a/ team/")
	s.wantLs("team", "y/")
	s.wantLs("team/y", "")
	s.wantLs("team", "")
	s.wantLs("", "a/")
	s.wantLs(".fields", "a/")
	s.wantLs("x", "")
	s.wantLs(".manifest", "a/ team/ x/")
	s.wantLs(".manifest/team", "y/")
	s.wantLs(".manifest/x", "v1/")
	ok(t, w.fill("x", 1))
	s.log("team/y", "d")
	s.wantLs("", "a/ team/ x/")
	s.wantLs("team", "y/")
}

// A rename has only an errno for its writer: the words are among the events.
func TestRefusedRenameIsTold(t *testing.T) {
	var told strings.Builder
	s := newSite(t, &Options{Log: slog.New(slog.NewTextHandler(&told, nil))})
	s.file("d/x", "1")
	s.log("a", "d")
	w, _ := s.writer()
	_, err := s.dirAt(".manifest/a").Mkdir(w.ctx, "v2")
	ok(t, err)
	for _, c := range []struct{ dir, temp, to, text, words string }{
		{".manifest/a/v2", "manifest.json.tmp.1", "manifest.json", "{no JSON", ".manifest/a/v2"},
		{".manifest/a/v2", "metadata.json.tmp.1", "other.json", "{}", "takes manifest.json and metadata.json"},
		{".manifest/a", ".latest_tmp_1", "latest", "v9", "latest of a"},
		{".manifest", ".art_index.tmp", "index", "{}", "only .art_index.tmp is renamed"},
	} {
		told.Reset()
		if err := w.put(c.dir, c.temp, c.to, c.text); err == nil {
			t.Errorf("%s/%s: put in place", c.dir, c.to)
		}
		if got := told.String(); !strings.Contains(got, `msg="not logged"`) || !strings.Contains(got, c.words) {
			t.Errorf("%s/%s: the log has %q, want %q", c.dir, c.to, got, c.words)
		}
	}
}

// writer does what upstream's does, for one process.
type writer struct {
	*site
	ctx context.Context
	pid int
}

func (s *site) dirAt(path string) interface {
	Dir
	Mutable
} {
	s.Helper()
	return s.walk1(path).Node.(interface {
		Dir
		Mutable
	})
}

// put writes a temporary file and renames it.
func (w writer) put(dir, temp, to, text string) error {
	d := w.walk1(dir).Node.(interface {
		Dir
		Mutable
	})
	_, h, err := d.Create(w.ctx, temp, false)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if _, err := h.Write(w.ctx, []byte(text), 0); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := errors.Join(h.Flush(w.ctx), h.Close()); err != nil {
		return err
	}
	return d.Rename(w.ctx, temp, d, to)
}

func (w writer) record(name string, n int) string {
	return string((&manifest.Manifest{Name: name, Version: n, Type: "Artifact", Path: w.data + "/d", Producer: fmt.Sprint(w.pid)}).Bytes())
}

// fill writes the record of a version that the writer has made, and moves latest.
func (w writer) fill(name string, n int) error {
	dir := fmt.Sprintf(".manifest/%s/v%d", name, n)
	for _, file := range []string{"manifest.json", "metadata.json"} {
		if err := w.put(dir, fmt.Sprintf("%s.tmp.%d", file, w.pid), file, w.record(name, n)); err != nil {
			return err
		}
	}
	return w.put(".manifest/"+name, fmt.Sprintf(".latest_tmp_%d", w.pid), "latest", fmt.Sprintf("v%d", n))
}

func (s *site) writer() (writer, func()) {
	ctx, end := process(s.T)
	return writer{s, ctx, int(ownerOf(ctx).process)}, end
}

func TestUpstreamWriter(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	w, _ := s.writer()
	other, _ := s.writer()

	root := s.dirAt(".manifest")
	_, err := root.Mkdir(w.ctx, "team")
	ok(t, err)
	_, err = s.dirAt(".manifest/team").Mkdir(w.ctx, "a")
	ok(t, err)
	_, err = s.dirAt(".manifest/team").Mkdir(w.ctx, "a")
	wantErr(t, "mkdir again", err, fs.ErrExist)
	s.wantLs(".manifest/team/a", "")
	s.wantNone("team", fs.ErrNotExist)
	_, err = s.dirAt(".manifest/team/a").Mkdir(w.ctx, "v1")
	ok(t, err)
	s.wantLs(".manifest/team/a", "v1/")
	_, err = s.dirAt(".manifest/team/a").Mkdir(other.ctx, "v1")
	wantErr(t, "mkdir of a taken number", err, fs.ErrExist)

	// Until it is sealed it is the writer's alone.
	v1 := s.dirAt(".manifest/team/a/v1")
	_, _, err = v1.Create(other.ctx, "manifest.json.tmp.1", false)
	wantErr(t, "another's create", err, syscall.EROFS, "belongs to the process")
	_, h, err := v1.Create(w.ctx, "manifest.json.tmp.1", false)
	ok(t, err)
	_, err = h.Write(w.ctx, []byte(w.record("team/a", 1)), 0)
	ok(t, err)
	s.want("a temporary file", string(readHandle(t, h)), w.record("team/a", 1))
	wantErr(t, "another's rename", v1.Rename(other.ctx, "manifest.json.tmp.1", v1, "manifest.json"), syscall.EROFS)
	wantErr(t, "another's unlink", v1.Unlink(other.ctx, "manifest.json.tmp.1"), syscall.EROFS)
	e, err := v1.Lookup(other.ctx, "manifest.json.tmp.1")
	ok(t, err)
	_, err = e.Node.(Control).Open(other.ctx, syscall.O_WRONLY|syscall.O_TRUNC)
	wantErr(t, "another's open", err, syscall.EROFS)
	s.wantNone("team/a/v1", fs.ErrNotExist)
	ok(t, v1.Rename(w.ctx, "manifest.json.tmp.1", v1, "manifest.json"))
	wantErr(t, "renamed away", v1.Rename(w.ctx, "manifest.json.tmp.1", v1, "manifest.json"), fs.ErrNotExist)
	s.want("as soon as there is a manifest.json", s.read("team/a/v1/x"), "1")
	wantErr(t, "manifest.json again", w.put(".manifest/team/a/v1", "manifest.json.tmp.2", "manifest.json", w.record("team/a", 1)), syscall.EROFS)
	ok(t, w.put(".manifest/team/a/v1", "metadata.json.tmp.1", "metadata.json", "{}"))

	// Sealed: nobody's.
	for _, p := range []writer{w, other} {
		_, _, err = v1.Create(p.ctx, "manifest.json.tmp.1", false)
		wantErr(t, "create in a sealed version", err, syscall.EROFS)
		_, _, err = v1.Create(p.ctx, "manifest.json", false)
		wantErr(t, "the fallback's open", err, syscall.EROFS)
	}
	ok(t, w.put(".manifest/team/a", ".latest_tmp_1", "latest", "v1"))
	s.wantLs(".manifest/team/a", "latest v1/")
	s.want("latest", s.readlink("team/a/latest"), "v1")
	got, err := os.ReadFile(s.root + "/team/a/v1/manifest.json")
	ok(t, err)
	s.want("the store's bytes", string(got), w.record("team/a", 1))
}

func readHandle(t *testing.T, h Handle) []byte {
	t.Helper()
	b := make([]byte, 1<<20)
	n, err := h.Read(ctx, b, 0)
	ok(t, err)
	return b[:n]
}

func TestLatestOnlyMovesForward(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	for range 3 {
		s.log("a", "d")
	}
	w, _ := s.writer()
	ok(t, w.put(".manifest/a", ".latest_tmp_1", "latest", "v2"))
	s.want("latest after v2 was renamed onto it", s.readlink("a/latest"), "v3")
	s.wantLs(".manifest/a", "latest v1/ v2/ v3/")
	wantErr(t, "latest to no version", w.put(".manifest/a", ".latest_tmp_1", "latest", "v9"), fs.ErrNotExist)
	wantErr(t, "latest to nonsense", w.put(".manifest/a", ".latest_tmp_1", "latest", "../b/v1"), fs.ErrInvalid)
	h, err := s.walk1(".manifest/a/latest").Node.(Control).Open(ctx, syscall.O_WRONLY|syscall.O_TRUNC)
	ok(t, err)
	wantErr(t, "echo v1 > latest", write(t, ctx, h, "v1\n"), syscall.EPERM, "only moves forward")
	wantErr(t, "rm latest", s.dirAt(".manifest/a").Unlink(ctx, "latest"), syscall.EPERM)
}

func TestAliasFiles(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	s.log("a", "d")
	d := s.dirAt(".manifest/a")
	set := func(name, text string) error {
		t.Helper()
		if e, err := d.Lookup(ctx, name); err == nil {
			h, err := e.Node.(Control).Open(ctx, syscall.O_WRONLY|syscall.O_TRUNC)
			ok(t, err)
			return write(t, ctx, h, text)
		}
		_, h, err := d.Create(ctx, name, false)
		if err != nil {
			return err
		}
		return write(t, ctx, h, text)
	}
	ok(t, set("prod", "v1\n"))
	s.want("prod", s.readlink("a/prod"), "v1")
	ok(t, set("prod", "v2")) // printf: the close ends it
	s.want("prod", s.readlink("a/prod"), "v2")
	s.want("the file", s.read(".manifest/a/prod"), "v2")
	wantErr(t, "no such version", set("prod", "v7\n"), fs.ErrNotExist)
	wantErr(t, "nonsense", set("prod", "../b\n"), fs.ErrInvalid)
	for _, bad := range []string{"v3", "7", "v03"} {
		wantErr(t, "alias "+bad, set(bad, "v1\n"), syscall.EPERM)
	}

	// Editors write beside it and rename.
	w, _ := s.writer()
	ok(t, w.put(".manifest/a", "sedAbCdEf", "prod", "v1\n"))
	s.want("prod after sed -i", s.readlink("a/prod"), "v1")
	ok(t, d.Rename(ctx, "prod", d, "stable"))
	s.wantLs("a", "latest@ stable@ v1/ v2/")
	_, err := d.Symlink(ctx, "linked", "v2")
	ok(t, err)
	s.want("linked", s.readlink("a/linked"), "v2")
	for _, target := range []string{"/etc", "../b/v1", "v01", "latest"} {
		_, err := d.Symlink(ctx, "x", target)
		wantErr(t, "ln -s "+target, err, syscall.EPERM)
	}
	ok(t, d.Unlink(ctx, "linked"))
	ok(t, d.Unlink(ctx, "stable"))
	s.wantLs("a", "latest@ v1/ v2/")
	wantErr(t, "rm nothing", d.Unlink(ctx, "stable"), fs.ErrNotExist)
}

func TestManifestRefuses(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	root, a, v1 := s.dirAt(".manifest"), s.dirAt(".manifest/a"), s.dirAt(".manifest/a/v1")
	w, _ := s.writer()
	_, err := a.Mkdir(w.ctx, "v2")
	ok(t, err)
	v2 := s.dirAt(".manifest/a/v2")
	create := func(d Mutable, name string) error { _, _, err := d.Create(w.ctx, name, false); return err }
	mkdir := func(d Mutable, name string) error { _, err := d.Mkdir(w.ctx, name); return err }
	for what, got := range map[string]struct{ err, want error }{
		"a file in .manifest":          {create(root, "x"), syscall.EPERM},
		"another file in a version":    {create(v2, "weights.bin"), syscall.EPERM},
		"manifest.json itself":         {create(v2, "manifest.json"), syscall.EPERM},
		"mkdir of a dotted name":       {mkdir(root, ".x"), fs.ErrInvalid},
		"mkdir of a version as a name": {mkdir(root, "v1"), fs.ErrInvalid},
		"mkdir v03":                    {mkdir(a, "v03"), fs.ErrInvalid},
		"mkdir in a version":           {mkdir(v2, "x"), syscall.EROFS},
		"rmdir of an artifact":         {root.Rmdir(w.ctx, "a"), syscall.EROFS},
		"rmdir of a version":           {a.Rmdir(w.ctx, "v1"), syscall.EROFS},
		"rm of a record":               {v1.Unlink(w.ctx, "manifest.json"), syscall.EROFS},
		"mv of a version":              {a.Rename(w.ctx, "v1", a, "v9"), syscall.EROFS},
		"mv out of a version":          {v1.Rename(w.ctx, "manifest.json", a, "x"), syscall.EROFS},
		"ln in a version":              {func() error { _, err := v2.Symlink(w.ctx, "x", "y"); return err }(), syscall.EROFS},
		"a manifest.json that is none": {w.put(".manifest/a/v2", "manifest.json.tmp.1", "manifest.json", "{}"), fs.ErrInvalid},
		"another name for a record":    {w.put(".manifest/a/v2", "manifest.json.tmp.1", "other.json", w.record("a", 2)), syscall.EPERM},
	} {
		wantErr(t, what, got.err, got.want)
	}
	ok(t, w.fill("a", 2)) // none of it did any harm
	s.want("latest", s.readlink("a/latest"), "v2")
}

func TestTemporaryFilesAreBounded(t *testing.T) {
	s := newSite(t, nil)
	w, _ := s.writer()
	_, err := s.dirAt(".manifest").Mkdir(w.ctx, "a")
	ok(t, err)
	d := s.dirAt(".manifest/a")
	_, h, err := d.Create(w.ctx, ".latest_tmp_1", false)
	ok(t, err)
	_, err = h.Write(w.ctx, []byte("x"), maxTemp-1)
	ok(t, err)
	_, err = h.Write(w.ctx, []byte("x"), maxTemp)
	wantErr(t, "byte 16 Mi", err, syscall.EFBIG)
	for i := 2; ; i++ {
		_, h, err := d.Create(w.ctx, fmt.Sprintf(".latest_tmp_%d", i), false)
		ok(t, err)
		if _, err = h.Write(w.ctx, []byte("x"), maxTemp-1); err != nil {
			wantErr(t, "all of a user", err, syscall.ENOSPC)
			if i != 1+maxTemps/maxTemp/2 {
				t.Errorf("%d files of 16 MiB", i)
			}
			break
		}
	}
	ok(t, d.Unlink(w.ctx, ".latest_tmp_1"))
	_, h, err = d.Create(w.ctx, ".latest_tmp_9", false)
	ok(t, err)
	_, err = h.Write(w.ctx, []byte("x"), maxTemp-1)
	ok(t, err)
	e, err := d.Lookup(w.ctx, ".latest_tmp_9")
	ok(t, err)
	ok(t, e.Node.(*temp).Truncate(w.ctx, 1))
	if e, _ = d.Lookup(w.ctx, ".latest_tmp_9"); e.Attr.Size != 1 {
		t.Errorf("truncated to %d bytes", e.Attr.Size)
	}
}

// What a dead process left is collected, and its number stays taken.
func TestDeadWriters(t *testing.T) {
	c := &clock{time.Now()}
	s := newSite(t, &Options{Now: c.Now})
	s.file("d/x", "1")
	w, end := s.writer()
	_, err := s.dirAt(".manifest").Mkdir(w.ctx, "a")
	ok(t, err)
	_, err = s.dirAt(".manifest").Mkdir(w.ctx, "never")
	ok(t, err)
	_, err = s.dirAt(".manifest/a").Mkdir(w.ctx, "v1")
	ok(t, err)
	_, h, err := s.dirAt(".manifest/a/v1").Create(w.ctx, "manifest.json.tmp.7", false)
	ok(t, err)
	_, err = h.Write(w.ctx, []byte("half"), 0)
	ok(t, err)
	s.wantLs(".manifest/a/v1", "manifest.json.tmp.7")
	end()
	c.now = c.now.Add(nameLife + time.Second)
	next, _ := s.writer()
	_, err = s.dirAt(".manifest/a").Mkdir(next.ctx, "v2")
	ok(t, err)
	ok(t, next.fill("a", 2))
	s.wantLs(".manifest/a/v1", "")
	s.wantLs(".manifest/a", "latest v1/ v2/")
	s.wantNone(".manifest/never", fs.ErrNotExist)
	if s.drafts.size != 0 || len(s.drafts.claims) != 0 || len(s.drafts.temps) != 0 {
		t.Errorf("left: %d bytes, claims %v, files %v", s.drafts.size, s.drafts.claims, s.drafts.temps)
	}
	_, _, err = s.dirAt(".manifest/a/v1").Create(next.ctx, "manifest.json.tmp.7", false)
	wantErr(t, "a dead writer's version", err, syscall.EROFS)
}

// Writers list, take the next number, and on a collision the one after it: all
// numbers are given once, and every version is what its writer wrote.
func TestUpstreamWritersRace(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	_, err := s.dirAt(".manifest").Mkdir(ctx, "a")
	ok(t, err)
	const writers, each = 6, 5
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused, by := 0, map[int]int{}
	for range writers {
		w, _ := s.writer()
		wg.Go(func() {
			for done := 0; done < each; {
				n, err := w.once("a")
				mu.Lock()
				if err == nil {
					done++
					by[n] = w.pid
				} else if refused++; !errors.Is(err, syscall.EROFS) {
					t.Errorf("pid %d: %v", w.pid, err)
					done = each
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	l, err := s.dir.Versions(ctx, "a")
	ok(t, err)
	if len(by) != writers*each || len(l.Versions) != writers*each || l.Latest != l.Versions[len(l.Versions)-1] {
		t.Errorf("%d numbers, %d versions, latest %d", len(by), len(l.Versions), l.Latest)
	}
	for n, pid := range by {
		r, err := s.dir.Manifest(ctx, "a", n)
		if err != nil || r.Manifest.Producer != fmt.Sprint(pid) {
			t.Errorf("v%d is not process %d's: %v", n, pid, err)
		}
	}
	t.Logf("%d refused", refused)
}

// once logs as upstream does: it lists, makes the next version, and after a
// collision goes on in the one after that, whoever made it.
func (w writer) once(name string) (int, error) {
	d := w.walk1(".manifest/" + name).Node.(interface {
		Dir
		Mutable
	})
	list, err := d.ReadDir(w.ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range list {
		if v, ok := canonical(e.Name); ok {
			n = max(n, v)
		}
	}
	for range 2 {
		n++
		if _, err = d.Mkdir(w.ctx, fmt.Sprintf("v%d", n)); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return n, w.fill(name, n)
}

func TestSourcesThatTakeNoVersions(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	s.Tree = New(struct{ Source }{s.dir}, &Options{Log: s.opt.Log})
	s.wantLs(".manifest/a", "latest v1/")
	d := s.dirAt(".manifest/a")
	_, err := d.Mkdir(ctx, "v2")
	wantErr(t, "mkdir", err, syscall.EROFS)
	_, _, err = d.Create(ctx, "prod", false)
	wantErr(t, "create", err, syscall.EROFS)
	wantErr(t, "unlink", d.Unlink(ctx, "x"), syscall.EROFS)
	req, _ := manifest.NewRequest(s.data + "/d")
	_, err = s.Tree.Log(ctx, "a", req, LogOptions{})
	wantErr(t, "log", err, syscall.EROFS)
	wantErr(t, "alias", s.Alias(ctx, ref(t, "a"), "prod"), syscall.EROFS)
	_, err = s.Retire(ctx, ref(t, "a:v1"), "", false)
	wantErr(t, "retire", err, syscall.EROFS)
}
