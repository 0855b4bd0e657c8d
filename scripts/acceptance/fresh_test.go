//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// A version that another node publishes straight into the root: latest leads to it at once, listings show it within the TTL (1 s).
func TestPublishedPastTheMount(t *testing.T) {
	lanes(t, func(t *testing.T, s *site) {
		s.publish("corpus", 1, s.data("one", map[string]string{"part.txt": "one"}))
		s.listed("corpus") // the mount has looked, and so have its caches
		if text := readFile(t, s.path("corpus", "latest", "part.txt")); text != "one" {
			t.Fatalf("v1 holds %q", text)
		}
		for n := 2; n <= 4; n++ {
			word := fmt.Sprint("version ", n)
			s.publish("corpus", n, s.data(word, map[string]string{"part.txt": word}))
			if got, err := s.latest("corpus"); got != n || err != nil {
				t.Errorf("right after v%d was published, latest is v%d (%v)", n, got, err)
			}
			if text := readFile(t, s.path("corpus", "latest", "part.txt")); text != word {
				t.Errorf("through latest: %q, want %q", text, word)
			}
			eventually(t, 2*time.Second, "the new version is listed", func() error {
				if seen := s.listed("corpus"); !seen[n] {
					return fmt.Errorf("listed are %v", seen)
				}
				return nil
			})
		}
		s.publish("embed/model", 1, s.data("nested", map[string]string{"part.txt": "nested"}))
		eventually(t, 2*time.Second, "a new name is listed", func() error {
			entries, err := os.ReadDir(s.path("embed"))
			if err == nil && len(entries) != 1 {
				err = fmt.Errorf("embed lists %v", entries)
			}
			return err
		})
	})
}

// A data file is rewritten in place, replaced by rename, and removed and made anew, while someone has it open. A fresh open gives the new bytes whole
// (or, while the old file is still open, ESTALE); the open one gives the bytes of its own file.
func TestDataReplacedUnderReaders(t *testing.T) {
	before, after, longer := pattern(300_000, 1), pattern(300_000, 2), pattern(700_000, 3)
	changes := []struct {
		name    string
		change  func(t *testing.T, file string)
		want    []byte
		inPlace bool // the open file is the same one
	}{
		{"rewrite in place, same size", func(t *testing.T, f string) { rewrite(t, f, after) }, after, true},
		{"rewrite in place, longer", func(t *testing.T, f string) { rewrite(t, f, longer) }, longer, true},
		{"rewrite in place, shorter", func(t *testing.T, f string) { rewrite(t, f, after[:1000]) }, after[:1000], true},
		{"rename over, same size", func(t *testing.T, f string) { renameOver(t, f, after) }, after, false},
		{"rename over, longer", func(t *testing.T, f string) { renameOver(t, f, longer) }, longer, false},
		{"rename over, shorter", func(t *testing.T, f string) { renameOver(t, f, after[:1000]) }, after[:1000], false},
		{"removed and made anew", func(t *testing.T, f string) { must(t, os.Remove(f)); must(t, os.WriteFile(f, after, 0o644)) }, after, false},
	}
	lanes(t, func(t *testing.T, s *site) {
		for i, c := range changes {
			t.Run(c.name, func(t *testing.T) {
				name := fmt.Sprint("changed-", i)
				dir := s.data(name, map[string]string{"part.bin": string(before)})
				s.publish(name, 1, dir)
				file := s.path(name, "v1", "part.bin")
				open, err := os.Open(file)
				must(t, err)
				defer open.Close()
				first := make([]byte, 100_000)
				_, err = io.ReadFull(open, first)
				must(t, err)
				if !bytes.Equal(first, before[:len(first)]) {
					t.Fatal("the bytes differ before any change")
				}
				c.change(t, filepath.Join(dir, "part.bin"))
				checkFresh(t, file, c.want, !c.inPlace)
				if !c.inPlace {
					rest, err := io.ReadAll(open)
					if !errors.Is(err, syscall.ESTALE) && !bytes.Equal(append(first, rest...), before) {
						t.Errorf("the open file is no longer what it was (%d bytes, %v)", len(first)+len(rest), err)
					}
				}
				must(t, open.Close())
				checkFresh(t, file, c.want, false)
			})
		}
	})
}

// checkFresh opens the file by name. ESTALE may be answered while another inode is open under that name.
func checkFresh(t *testing.T, file string, want []byte, mayBeStale bool) {
	t.Helper()
	eventually(t, 3*time.Second, "a fresh open gives the new bytes", func() error {
		got, err := os.ReadFile(file)
		if errors.Is(err, syscall.ESTALE) && mayBeStale {
			return nil
		}
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			t.Errorf("a fresh open gives %d bytes, want %d; equal up to %d", len(got), len(want), common(got, want))
		}
		return nil
	})
	if info, err := os.Stat(file); err == nil && !mayBeStale && info.Size() != int64(len(want)) {
		t.Errorf("size is %d, want %d", info.Size(), len(want))
	}
}

// Readers that open while a writer renames versions of a file over it see one of them whole, every time.
func TestNeverAMixture(t *testing.T) {
	lanes(t, func(t *testing.T, s *site) {
		contents := [][]byte{bytes.Repeat([]byte("a"), 200_000), bytes.Repeat([]byte("b"), 150_000), bytes.Repeat([]byte("c"), 250_000)}
		dir := s.data("mixed", map[string]string{"part.bin": string(contents[0])})
		s.publish("mixed", 1, dir)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					renameOver(t, filepath.Join(dir, "part.bin"), contents[i%len(contents)])
				}
			}
		}()
		stale, whole := 0, 0
		for range scaled(2000) {
			got, err := os.ReadFile(s.path("mixed", "v1", "part.bin"))
			switch {
			case errors.Is(err, syscall.ESTALE):
				stale++
			case err != nil:
				t.Errorf("read: %v", err)
			case !slices.ContainsFunc(contents, func(c []byte) bool { return bytes.Equal(c, got) }):
				t.Errorf("a mixture: %d bytes, %q … %q", len(got), got[:1], got[len(got)-1:])
			default:
				whole++
			}
			if t.Failed() {
				break
			}
		}
		close(stop)
		<-done
		if whole == 0 {
			t.Errorf("no read gave a file, %d gave ESTALE", stale)
		}
		t.Logf("%d whole, %d ESTALE", whole, stale)
	})
}

func rewrite(t *testing.T, file string, content []byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	_, err = f.Write(content)
	must(t, err)
	must(t, f.Close())
}

func renameOver(t *testing.T, file string, content []byte) {
	if err := os.WriteFile(file+".new", content, 0o644); err != nil {
		t.Error(err)
		return
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Error(err)
	}
}

func common(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
