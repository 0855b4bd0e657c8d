package wandb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// An address that has expired is replaced, and a range that is being read goes on.
func TestExpiredAddress(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	want := random(1 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	o := object(t, filesOf(t, s, "m"), "f").Object
	for range 3 {
		if got, err := read(ctx(t), o, 10, 100); err != nil || !bytes.Equal(got, want[10:110]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		srv.ExpireURLs()
	}
	if n := srv.Requests("FileURLs"); n != 3 {
		t.Errorf("%d addresses; want 3", n)
	}
	srv.SetURLLifetime(-time.Second) // no address is ever good
	before := srv.Requests("FileURLs")
	if got, err := read(ctx(t), o, 10, 100); err == nil || strings.Contains(err.Error(), "X-Amz") || strings.Contains(err.Error(), "ignature=") {
		t.Errorf("an address that never holds: %d bytes, %v", len(got), err)
	}
	if n := srv.Requests("FileURLs") - before; n > 3 {
		t.Errorf("%d addresses for one read; want 3 at most", n)
	}
}

func TestFileFaults(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	want := random(1 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	for name, fault := range map[string]wandbtest.Fault{
		"429":            {Status: 429, Header: map[string]string{"Retry-After": "0.2"}},
		"500":            {Status: 500},
		"503 twice":      {Status: 503, Times: 2},
		"403":            {Status: 403},
		"dropped":        {Drop: true},
		"cut":            {Cut: 1000},
		"cut many times": {Cut: 100_000, Times: 9},
		"hangs":          {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, srv, nil)
			o := object(t, filesOf(t, s, "m"), "f").Object
			srv.Heal()
			srv.Fail("GET", fault)
			defer srv.Heal()
			c, cancel := context.WithTimeout(context.Background(), 12*time.Second)
			defer cancel()
			if got, err := read(c, o, 0, 1<<20); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	for name, c := range map[string]struct {
		fault    wandbtest.Fault
		deadline time.Duration // what passes is asked for again until then
		is       error
	}{
		"404":      {wandbtest.Fault{Status: 404, Times: -1}, time.Minute, syscall.EIO},
		"503":      {wandbtest.Fault{Status: 503, Times: -1}, 3 * time.Second, syscall.EIO},
		"dropped":  {wandbtest.Fault{Drop: true, Times: -1}, 3 * time.Second, syscall.EIO},
		"hangs":    {wandbtest.Fault{Hang: true, Times: -1}, time.Second, context.DeadlineExceeded},
		"no range": {wandbtest.Fault{Status: 200, Body: "something else"}, time.Minute, syscall.EIO},
	} {
		t.Run("never: "+name, func(t *testing.T) {
			s := open(t, srv, nil)
			o := object(t, filesOf(t, s, "m"), "f").Object
			srv.Fail("GET", c.fault)
			defer srv.Heal()
			within, cancel := context.WithTimeout(context.Background(), c.deadline)
			defer cancel()
			got, err := read(within, o, 0, 1<<20)
			if !errors.Is(err, c.is) || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "ignature=") || !strings.Contains(err.Error(), srv.URL) {
				t.Errorf("%d bytes, %v; want %v", len(got), err, c.is)
			}
		})
	}
}

// Whoever reads a file whole is told when it is not the one that was logged.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	for _, xxh := range []bool{false, true} {
		srv := wandbtest.New(t, &wandbtest.Options{Features: wandbtest.XXH})
		s := open(t, srv, nil)
		want := random(100_000)
		log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}, XXH128: xxh})
		f := filesOf(t, s, "m")
		pieces := func(o store.Object, size int64) ([]byte, error) {
			var all []byte
			for off := int64(0); off < int64(len(want)); off += size {
				b, err := read(ctx(t), o, off, size)
				if all = append(all, b...); err != nil {
					return all, err
				}
			}
			return all, nil
		}
		for _, size := range []int64{1 << 20, 4096} {
			if got, err := pieces(object(t, f, "f").Object, size); err != nil || !bytes.Equal(got, want) {
				t.Errorf("xxh %v, pieces of %d: %d bytes, %v", xxh, size, len(got), err)
			}
			srv.Fail("GET", wandbtest.Fault{Corrupt: true, Times: -1})
			o := object(t, f, "f").Object
			_, err := pieces(o, size)
			var c *wandb.CorruptError
			if !errors.As(err, &c) || !errors.Is(err, syscall.EIO) || c.Path != "f" || c.Want == c.Got || len(c.Got) != 32 {
				t.Errorf("xxh %v, corrupt, in pieces of %d: %v; want what was expected and what came", xxh, size, err)
			}
			if _, err := read(ctx(t), o, 5, 10); !errors.As(err, &c) {
				t.Errorf("a file that is known to be wrong is read again: %v", err)
			}
			srv.Heal()
		}
		// Only the file as a whole has a digest.
		if got, err := read(ctx(t), object(t, f, "f").Object, 5, 10); err != nil || !bytes.Equal(got, want[5:15]) {
			t.Errorf("a range: %v", err)
		}
	}
}

// The last resort is the address at which the server itself gives files.
func TestAPIAddress(t *testing.T) {
	for _, features := range []wandbtest.Features{wandbtest.Modern, wandbtest.XXH} {
		srv := wandbtest.New(t, &wandbtest.Options{Features: features, Path: "/w"})
		s := open(t, srv, nil)
		log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"d/a b%20é": []byte("hello")}})
		f := filesOf(t, s, "m")
		srv.Fail("FileURLs", wandbtest.Fault{Times: -1, Status: 200, Body: `{"data": {"project": {"artifactCollection": null}}}`})
		if got, err := read(ctx(t), object(t, f, "d/a b%20é").Object, 1, 3); err != nil || string(got) != "ell" || srv.Requests("artifactsV2") != 1 {
			t.Errorf("%q, %v after %d requests to the server's own address", got, err, srv.Requests("artifactsV2"))
		}
	}
}

// What opens a file to read it on finds out too, and a range of a corrupt one does not.
func TestCorruptThroughReader(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	want := random(5 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	for _, corrupt := range []bool{false, true} {
		srv.Heal()
		if corrupt {
			srv.Fail("GET", wandbtest.Fault{Corrupt: true, Times: -1})
		}
		f, err := s.Files(ctx(t), "m", 0) // the manifest is known
		if err != nil {
			t.Fatal(err)
		}
		file := object(t, f, "f")
		r := store.NewReader(file.Object, file.Size, func() time.Duration { return 20 * time.Second })
		n, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, file.Size))
		r.Close()
		if corrupt != errors.Is(err, syscall.EIO) || !corrupt && n != file.Size {
			t.Errorf("corrupt %v: %d bytes, %v", corrupt, n, err)
		}
	}
}

// A manifest that names files outside the version, or one name as a file and as a
// directory, is refused in words.
func TestHostileVersion(t *testing.T) {
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	for entry, words := range map[string]string{
		`"../../etc/passwd":{"digest":"d"}`:       "leads out",
		`"/etc/passwd":{"digest":"d"}`:            "absolute",
		`"a":{"digest":"d"},"a/b":{"digest":"d"}`: "lies below",
	} {
		s := open(t, srv, nil)
		srv.Fail("GET", wandbtest.Fault{Status: 200, Body: `{"version":1,"contents":{` + entry + `}}`})
		f, err := s.Files(ctx(t), "m", 0)
		if err == nil || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "m:v0") {
			t.Errorf("%s: %v, %v; want EIO and %q", entry, f, err, words)
		}
	}
}

// A manifest is fetched again when its connection breaks.
func TestManifestFaults(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": nil}})
	for name, fault := range map[string]wandbtest.Fault{"cut": {Cut: 20}, "500": {Status: 500}, "403": {Status: 403}, "dropped": {Drop: true}, "hangs": {Hang: true}} {
		s := open(t, srv, nil)
		srv.Fail("GET", fault)
		if _, err := s.Files(ctx(t), "m", 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		srv.Heal()
	}
}
