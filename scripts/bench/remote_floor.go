//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// serveEnv names the directory at which this program serves a FUSE file instead of measuring: who reads a mount of its own process may wait for
// itself for ever.
const serveEnv = "ARTIFACTFS_BENCH_SERVE"

// besides are how many files there are of which each is read once.
const besides = 4

// blank is a file whose bytes cost whom serves it nothing: they lie in memory, and are all the same.
type blank struct {
	fusefs.Inode
	size uint64
}

var (
	_ fusefs.NodeGetattrer = (*blank)(nil)
	_ fusefs.NodeOpener    = (*blank)(nil)
	_ fusefs.NodeReader    = (*blank)(nil)

	blankBytes = make([]byte, 1<<20)
)

func (b *blank) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o444, b.size
	return 0
}

func (b *blank) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (b *blank) Read(_ context.Context, _ fusefs.FileHandle, dest []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(blankBytes[:len(dest)]), 0
}

// serveBlanks shows files of size bytes at dir until that is unmounted, with the options that artifactfs mounts with.
func serveBlanks(dir string, size uint64) error {
	root := &fusefs.Inode{}
	o := &fusefs.Options{MountOptions: fuse.MountOptions{
		MaxWrite: 1 << 20, MaxReadAhead: 1 << 20, MaxBackground: 64, DirectMountStrict: true, DisableSplice: true, Logger: log.New(io.Discard, "", 0),
	}}
	o.OnAdd = func(ctx context.Context) {
		for i := range besides {
			root.AddChild(fmt.Sprint(i), root.NewPersistentInode(ctx, &blank{size: size}, fusefs.StableAttr{}), true)
		}
	}
	s, err := fusefs.Mount(dir, root, o)
	if err != nil {
		return err
	}
	s.Wait()
	return nil
}

// beside measures what a file system in user space that keeps what it reads has to do: the GETs into a file, and at the same time the way
// of as many bytes from a process's memory through FUSE to a program. It is as fast as the slower of both.
func (g *gets) beside(n volume, s shots) error {
	dir := filepath.Join(g.home, "blanks")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	server := exec.Command(self)
	server.Env = append(os.Environ(), serveEnv+"="+dir, fmt.Sprintf("%s_SIZE=%d", serveEnv, n.big))
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		unix.Unmount(dir, unix.MNT_DETACH)
		server.Wait()
	}()
	if err := (lane{dir: dir}).shows("0"); err != nil {
		return err
	}
	if err := readAhead(dir); err != nil {
		return err
	}
	var all []float64
	for i := range besides {
		settleFor(500 * time.Millisecond)
		freshen(2 * n.big)
		var (
			both    errgroup.Group
			got     time.Duration
			through float64
		)
		both.Go(func() (err error) {
			got, err = g.intoFile(n)
			return err
		})
		both.Go(func() (err error) {
			through, _, err = dd(filepath.Join(dir, fmt.Sprint(i)))
			return err
		})
		if err := both.Wait(); err != nil {
			return err
		}
		if i > 0 { // the first dd is also the first of this server's threads
			all = append(all, float64(n.big)/max(got.Seconds(), through))
		}
	}
	s[rowBeside] = median(all)
	return nil
}

// readAhead is the one that artifactfs gives its mounts.
func readAhead(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	return os.WriteFile(fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(st.Dev), unix.Minor(st.Dev)), []byte("2048"), 0)
}

// freshen has so many bytes of the machine's free memory be such as were in use a moment ago. A virtual machine gives back what is free, and
// gets it again at less than 1 GiB/s (measured; free page reporting): who comes first would pay for who comes next.
func freshen(n int64) {
	f, err := os.CreateTemp("/dev/shm", "artifactfs-bench-memory")
	if err == nil {
		defer f.Close()
		os.Remove(f.Name())
		for b := make([]byte, 4<<20); n > 0 && err == nil; n -= int64(len(b)) {
			_, err = f.Write(b)
		}
	}
	if err != nil {
		fmt.Println("NOTE: memory may be new to this machine:", err)
	}
}
