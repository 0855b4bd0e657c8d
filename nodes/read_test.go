//go:build linux

package nodes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"syscall"
	"testing"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// reused is a result whose buffer is another read's as soon as it is given back.
type reused struct{ *result }

func (r reused) Done() { clear(*r.buf) }

// reusing is a file that is answered by reused results.
type reusing struct{ fusefs.Inode }

const reusingSize = 8 << 20

func (*reusing) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o444, reusingSize
	return 0
}

func (*reusing) Open(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (*reusing) Read(_ context.Context, _ fusefs.FileHandle, dest []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	b := bytes.Repeat([]byte{'x'}, len(dest))
	return reused{&result{&b, len(b)}}, 0
}

// A buffer is given back when its bytes are sent, whatever go-fuse is told of splicing.
func TestBuffersAreSent(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting without a helper needs root")
	}
	for _, without := range []bool{false, true} {
		t.Run(fmt.Sprint("without splice ", without), func(t *testing.T) {
			dir, root := t.TempDir(), &fusefs.Inode{}
			o := &fusefs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, DisableSplice: without, MaxWrite: MaxRead, Logger: log.New(io.Discard, "", 0)}}
			o.OnAdd = func(ctx context.Context) {
				root.AddChild("f", root.NewPersistentInode(ctx, &reusing{}, fusefs.StableAttr{}), true)
			}
			s, err := fusefs.Mount(dir, root, o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Unmount()
			got, err := exec.Command("cat", dir+"/f").Output() // a process that reads its own mount may wait for itself
			if err != nil || len(got) != reusingSize || bytes.Count(got, []byte{'x'}) != reusingSize {
				t.Errorf("%d bytes, %d of them right; %v", len(got), bytes.Count(got, []byte{'x'}), err)
			}
		})
	}
}
