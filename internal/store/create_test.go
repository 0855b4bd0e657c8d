//go:build linux

package store

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// withUmaskOf is the context of a caller with a umask: a shell that waits.
func withUmaskOf(t *testing.T, mask string) context.Context {
	t.Helper()
	cmd := exec.Command("sh", "-c", "umask "+mask+"; echo; read x")
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	_, err = out.Read(make([]byte, 1))
	must(t, err)
	return WithCaller(context.Background(), Caller{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: uint32(cmd.Process.Pid)})
}

// TestCreateUmask: what many callers make at once has each one's permissions, by real threads, and nobody else's.
func TestCreateUmask(t *testing.T) {
	dir := openDir(t)
	l := NewLocal(&Options{AsCaller: os.Getuid() == 0})
	self := Caller{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: uint32(os.Getpid())}
	ours := os.FileMode(readStatus(self).umask)
	create := func(as func(context.Context, string, func() error) error, ctx context.Context, name string, want os.FileMode) error {
		return as(ctx, dir, func() error {
			f, err := os.OpenFile(dir+"/"+name, os.O_CREATE|os.O_EXCL, 0o666)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := os.Mkdir(dir+"/"+name+".d", 0o777); err != nil {
				return err
			}
			fi, err := f.Stat()
			if err == nil && fi.Mode().Perm() != 0o666&^want {
				err = fmt.Errorf("%s: mode %o, want %o", name, fi.Mode(), 0o666&^want)
			}
			if di, err := os.Stat(dir + "/" + name + ".d"); err != nil || di.Mode().Perm() != 0o777&^want {
				return fmt.Errorf("%s.d: mode %v, %v, want %o", name, di.Mode(), err, 0o777&^want)
			}
			return err
		})
	}
	var wg sync.WaitGroup
	for mask, want := range map[string]os.FileMode{"077": 0o077, "002": 0o002, "000": 0} {
		ctx := withUmaskOf(t, mask)
		for i := range 100 {
			wg.Go(func() {
				if err := create(l.Create, ctx, fmt.Sprint(mask, "-", i), want); err != nil {
					t.Error(err)
				}
				if err := create(l.Do, ctx, fmt.Sprint(mask, "-do-", i), ours); err != nil {
					t.Errorf("not by Create: %v", err)
				}
			})
		}
	}
	wg.Wait()
	gone := WithCaller(context.Background(), Caller{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: 1 << 30})
	for i, ctx := range []context.Context{context.Background(), gone} {
		if err := create(l.Create, ctx, fmt.Sprint("nobody", i), ours); err != nil {
			t.Error(err)
		}
	}
}
