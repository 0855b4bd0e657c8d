package manifest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// temporary is a file that is not there yet under its name.
type temporary struct {
	*os.File
	final string
}

// newTemporary writes data to a new file beside final. Its name is upstream's,
// FINAL.tmp.PID, made unique: pids collide between containers.
func newTemporary(final string, data []byte) (*temporary, error) {
	return createTemporary(final+".tmp."+unique("."), final, data)
}

func createTemporary(name, final string, data []byte) (*temporary, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	t := &temporary{f, final}
	if _, err := f.Write(data); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

func unique(sep string) string {
	return strconv.Itoa(os.Getpid()) + sep + rand.Text()[:10]
}

// discard removes the file, if it has not got its name; it may be called twice.
func (t *temporary) discard() {
	if t != nil && t.Close() == nil {
		os.Remove(t.Name())
	}
}

// keep gives the file its name, in place of what has it.
func (t *temporary) keep() error { return t.named(os.Rename) }

// keepNew gives the file its name unless that is taken: fs.ErrExist.
func (t *temporary) keepNew() error { return t.named(renameNew) }

func (t *temporary) named(rename func(from, to string) error) error {
	if err := rename(t.Name(), t.final); err != nil {
		t.discard()
		return err
	}
	return t.Close()
}

// linkNew is renameNew for file systems that cannot (NFS): a link is exclusive
// everywhere that has links. Where there are none, the claim has to be enough.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return os.Rename(from, to)
	}
	if err != nil {
		return err
	}
	os.Remove(from)
	return nil
}

// syncer is an open file.
type syncer interface{ Sync() error }

// syncAll makes files and directories durable, at the same time: a journal
// writes what several ask for at once. What is open needs no rights.
func syncAll(files ...syncer) error {
	errs := make([]error, len(files))
	var wg sync.WaitGroup
	for i, f := range files[1:] {
		wg.Go(func() { errs[i+1] = f.Sync() })
	}
	errs[0] = files[0].Sync()
	wg.Wait()
	for i, err := range errs {
		// Some file systems cannot sync a directory.
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// syncDirs makes the entries of directories durable.
func syncDirs(dirs ...string) error {
	var files []syncer
	for _, dir := range dirs {
		f, err := openDir(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	return syncAll(files...)
}

// staleAge is how old a temporary file is when its writer cannot be at work.
const staleAge = time.Hour

// sweep removes the temporary files that writers left in dir when they were
// killed, ours and upstream's, once an hour, and reports whether it was time to.
// It may not succeed: then the next writer with more rights does it.
// To be called inside do.
func (d *Dir) sweep(dir string) bool {
	if at, ok := d.swept.Get(dir); ok && time.Since(at) < staleAge {
		return false
	}
	d.swept.Add(dir, time.Now())
	var old []string
	err := readDir(dir, func(e fs.DirEntry) {
		if pid, ok := temporaryOf(e.Name()); ok && !e.IsDir() && !alive(pid) {
			old = append(old, e.Name())
		}
	})
	for _, name := range old {
		fi, err := os.Lstat(dir + "/" + name)
		if err == nil && time.Since(fi.ModTime()) > staleAge {
			os.Remove(dir + "/" + name)
		}
	}
	if err != nil {
		d.log.Debug("temporary files not looked for", "dir", dir, "err", err)
	}
	return true
}

// sweepArtifact sweeps the directory of an artifact, its newest versions, and as
// many others: when what a killed writer left is old enough, its version need not
// be among the newest any more.
func (d *Dir) sweepArtifact(dir string, top int) {
	if !d.sweep(dir) {
		return
	}
	const few = 16
	others := time.Now().Nanosecond() // any will do, as long as they are not always the same
	for i := range min(top, few) {
		d.sweep(dir + "/" + Version(top-i).String())
		d.sweep(dir + "/" + Version(1+(others+i)%top).String())
	}
}

// temporaryOf returns the process that made a temporary file, by its name:
// .latest_tmp_PID, .alias_tmp_PID, F.tmp.PID, and ours with more behind.
func temporaryOf(name string) (pid int, ok bool) {
	var rest string
	for _, sep := range []string{".latest_tmp_", ".alias_tmp_", ".json.tmp."} {
		if before, after, found := strings.Cut(name, sep); found && (before == "") == (sep != ".json.tmp.") {
			rest = after
		}
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	pid, err := strconv.Atoi(rest[:end])
	return pid, err == nil && pid > 0
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// makeName makes the directory of an artifact, and returns its real path. New
// directories are durable when it returns. To be called inside do.
func (d *Dir) makeName(name string) (string, error) {
	dir, fi, err := d.within(name)
	if err == nil {
		if !fi.IsDir() {
			return "", fmt.Errorf("something that is no directory has its name: %w", fs.ErrExist)
		}
		return dir, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := d.rootThere(); err != nil {
		return "", err
	}
	parts := strings.Split(name, "/")
	parent := d.root
	for i := range parts {
		rel := strings.Join(parts[:i+1], "/")
		dir, _, err = d.within(rel)
		if errors.Is(err, fs.ErrNotExist) {
			dir = parent + "/" + parts[i]
			if err = os.Mkdir(dir, 0o777); errors.Is(err, fs.ErrExist) {
				dir, _, err = d.within(rel) // another's, or a link to nothing
			} else if err == nil {
				err = syncDirs(parent)
			}
		}
		if err != nil {
			return "", err
		}
		parent = dir
	}
	d.prefixes.Purge()
	return dir, nil
}
