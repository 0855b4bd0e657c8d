//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// wandbSDK is what artifacts that W&B stores are read with otherwise; `make deps` installs it.
const wandbSDK = ".venv-wandb-0.31/bin/wandb"

// A wandbLane is a mount of W&B alone, at a server in this process.
type wandbLane struct{ lane }

// stored reads an artifact whose files W&B stores, through a mount and by the SDK's own command: how long until one file of it is read, and how
// long all of them take. For one file the command, too, gets the whole artifact.
func stored(s *site, t *table) error {
	if _, err := os.Stat(wandbSDK); err != nil {
		return fmt.Errorf("%w: run `make deps`", err)
	}
	srv, err := wandbtest.Start(nil)
	if err != nil {
		return err
	}
	defer srv.Close()
	files, bytes := s.small/2, 2*s.big
	if _, err := srv.Log(wandbtest.Version{Name: "big", Files: randomFiles(files, int(bytes)/files)}); err != nil {
		return err
	}
	w, err := newWandbLane(srv)
	if err != nil {
		return err
	}
	defer os.RemoveAll(w.base)
	var one, withMount, all, sdk []float64
	for range s.runs {
		err := errors.Join(
			w.turn(false, func(begun time.Time) error { err := w.get(); return since(begun, &sdk, err) }),
			w.turn(true, func(begun time.Time) error {
				start := time.Now()
				_, err := os.ReadFile(w.mnt + "/big/latest/000/042.bin")
				return errors.Join(since(start, &one, err), since(begun, &withMount, nil))
			}),
			w.turn(true, func(time.Time) error { start := time.Now(); err := w.readAll(); return since(start, &all, err) }),
		)
		if err != nil {
			return err
		}
	}
	t.write("wandb.txt", fmt.Appendf(nil, "one file, mounted %v\none file and the mount %v\nall files %v\nwandb artifact get %v\n", one, withMount, all, sdk))
	what := fmt.Sprintf("%d files, %d MiB in W&B: ", files, bytes>>20)
	t.add(what+"one", "fetch", "s", median(sdk), median(one), limit{atMost: 1})
	t.add(what+"one, with mount", "fetch", "s", median(sdk), median(withMount), limit{atMost: 1})
	t.add(what+"all", "fetch", "s", median(sdk), median(all), limit{atMost: 1})
	return nil
}

func randomFiles(n, size int) map[string][]byte {
	files := make(map[string][]byte, n)
	random := rand.NewChaCha8([32]byte{1})
	for i := range n {
		b := make([]byte, size)
		_, _ = random.Read(b)
		files[fmt.Sprintf("%03d/%03d.bin", i/100, i%100)] = b
	}
	return files
}

func newWandbLane(srv *wandbtest.Server) (wandbLane, error) {
	base, err := os.MkdirTemp("", "artifactfs-bench-wandb")
	w := wandbLane{lane{name: "fetch", base: base, mnt: base + "/mnt"}}
	config := fmt.Sprintf("[artifacts]\nwandb = true\n[wandb]\nbase_url = %q\nentity = \"team\"\nproject = \"nemotron\"\n[artifactfs]\n", srv.URL)
	return w, errors.Join(err, os.MkdirAll(w.mnt, 0o755), os.WriteFile(base+"/env.toml", []byte(config), 0o644),
		os.Setenv("WANDB_BASE_URL", srv.URL), os.Setenv("WANDB_API_KEY", srv.Key))
}

// turn does something with cold caches, in a mount of its own or in none.
func (w wandbLane) turn(mounted bool, do func(begun time.Time) error) error {
	if err := dropCaches(); err != nil {
		return err
	}
	begun := time.Now()
	if mounted {
		if _, err := w.artifactfs("mount", w.mnt, "artifacts.manifest.root=null"); err != nil {
			return err
		}
		defer w.umount()
	}
	return do(begun)
}

// get has the SDK download the artifact, into directories that are new.
func (w wandbLane) get() error {
	dir, err := os.MkdirTemp(w.base, "get")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(wandbSDK, "artifact", "get", "team/nemotron/big:latest", "--root", dir+"/to")
	cmd.Env = append(os.Environ(), "HOME="+dir, "WANDB_CACHE_DIR="+dir+"/cache", "WANDB_DATA_DIR="+dir+"/data", "WANDB_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	if _, err := os.Stat(dir + "/to/000/042.bin"); err != nil {
		return fmt.Errorf("the SDK got nothing: %w", err)
	}
	return nil
}

func (w wandbLane) readAll() error {
	return filepath.WalkDir(w.mnt+"/big/latest/", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			_, err = os.ReadFile(path)
		}
		return err
	})
}

// since adds the time since start, unless what was timed has failed.
func since(start time.Time, to *[]float64, err error) error {
	*to = append(*to, time.Since(start).Seconds())
	return err
}
