package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	raceWriters = 16
	raceLogs    = 20
)

// raceWays are the ways in which a writer of the race logs a version.
var raceWays = []func(root string, d *Dir, path string) (int, error){publishWay, upstreamWay, rawWay}

func publishWay(_ string, d *Dir, path string) (int, error) {
	return d.Publish(bg, "m", &Draft{Manifest: Manifest{Path: path}, Metadata: Object{}})
}

// upstreamWay is what upstream's writer does through the mount: it lists, claims
// the next number, and starts again where that is refused.
func upstreamWay(_ string, d *Dir, path string) (int, error) {
	for {
		v := 1
		if l, err := d.Versions(bg, "m"); err == nil && len(l.Claimed) > 0 {
			v = slices.Max(l.Claimed) + 1
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		if err := d.Claim(bg, "m", v); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return 0, err
		}
		m := Manifest{Name: "m", Version: v, Path: path}
		return v, errors.Join(d.Put(bg, "m", v, "manifest.json", m.Bytes()), d.Put(bg, "m", v, "metadata.json", []byte("{}")), d.Advance(bg, "m", v))
	}
}

// rawWay is another program on the root itself, that claims by exclusive mkdir
// and leaves latest alone.
func rawWay(root string, _ *Dir, path string) (int, error) {
	dir := root + "/m"
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	v := 1
	for _, e := range list {
		if n, _, ok := number(e.Name()); ok {
			v = max(v, n+1)
		}
	}
	for ; ; v++ {
		err := os.Mkdir(fmt.Sprintf("%s/v%d", dir, v), 0o777)
		if errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return 0, err
		}
		m := Manifest{Name: "m", Version: v, Path: path}
		for file, text := range map[string][]byte{"manifest.json": m.Bytes(), "metadata.json": []byte("{}")} {
			file = fmt.Sprintf("%s/v%d/%s", dir, v, file)
			if err := errors.Join(os.WriteFile(file+".tmp.1", text, 0o666), os.Rename(file+".tmp.1", file)); err != nil {
				return 0, err
			}
		}
		return v, nil
	}
}

// TestRaceChild is one writer.
func TestRaceChild(t *testing.T) {
	root := os.Getenv("RACE_ROOT")
	if root == "" {
		t.Skip("runs as a child of TestRace")
	}
	var w int
	fmt.Sscan(os.Getenv("RACE_WRITER"), &w)
	d := openT(t, root)
	for i := range raceLogs {
		path := fmt.Sprintf("/%d/%d", w, i)
		v, err := raceWays[w%len(raceWays)](root, d, path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("logged %d %s\n", v, path)
	}
}

// 16 processes log 20 versions each to one name, in three ways at once: all get
// numbers of their own, and keep them; no reader sees latest dangle or go back.
func TestRace(t *testing.T) {
	root := t.TempDir()
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() { watchListing(t, root, done) })
	readers.Go(func() { watchFile(t, root, done) })
	var mu sync.Mutex
	got := make(map[int]string)
	for w := range raceWriters {
		writers.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestRaceChild$")
			cmd.Env = append(os.Environ(), "RACE_ROOT="+root, fmt.Sprintf("RACE_WRITER=%d", w))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("writer %d: %v\n%s", w, err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(string(out)) {
				var v int
				var path string
				if n, _ := fmt.Sscanf(line, "logged %d %s\n", &v, &path); n == 2 {
					if got[v] != "" {
						t.Errorf("v%d was given to %s and %s", v, got[v], path)
					}
					got[v] = path
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	d := openT(t, root)
	last, err := publishWay(root, d, "/last") // raw writers leave latest to others
	if err != nil {
		t.Fatal(err)
	}
	l, err := openT(t, root).Versions(bg, "m")
	if err != nil || len(got) != raceWriters*raceLogs || len(l.Versions) != len(got)+1 || l.Latest != last || last != slices.Max(l.Versions) {
		t.Fatalf("%d answered, %d listed, latest v%d, last v%d: %v", len(got), len(l.Versions), l.Latest, last, err)
	}
	for v, path := range got {
		if r, err := d.Manifest(bg, "m", v); err != nil || r.Manifest.Path != path || r.Meta == nil {
			t.Errorf("v%d: %v, %v; want %s", v, r, err, path)
		}
	}
}

func watchListing(t *testing.T, root string, done <-chan struct{}) {
	d, before := openT(t, root), NoVersion
	poll(done, func() bool {
		l, err := d.Versions(bg, "m")
		if errors.Is(err, fs.ErrNotExist) && before == NoVersion {
			return true
		}
		if err != nil || l.Latest < before || l.Latest != NoVersion && !slices.Contains(l.Versions, l.Latest) {
			t.Errorf("after v%d: %+v, %v", before, l, err)
			return false
		}
		before = l.Latest
		return true
	})
	if before == NoVersion {
		t.Error("the reader saw nothing")
	}
}

// watchFile does as upstream's reader: the text names a directory with a record.
func watchFile(t *testing.T, root string, done <-chan struct{}) {
	before := 0
	poll(done, func() bool {
		text, err := os.ReadFile(filepath.Join(root, "m", "latest"))
		if errors.Is(err, fs.ErrNotExist) && before == 0 {
			return true
		}
		v, _, isVersion := number(string(text))
		_, missing := os.Stat(filepath.Join(root, "m", string(text), "manifest.json"))
		if err != nil || !isVersion || v < before || missing != nil {
			t.Errorf("latest holds %q after v%d: %v, %v", text, before, err, missing)
			return false
		}
		before = v
		return true
	})
}

func poll(done <-chan struct{}, look func() bool) {
	for {
		select {
		case <-done:
			return
		default:
			if !look() {
				return
			}
		}
	}
}
