package manifest

import (
	"io/fs"
	"os"
	"time"
)

// staleAge is how old a temporary file is when its writer cannot be at work.
const staleAge = time.Hour

// due reports, once an hour for each of what is to be swept, that it is time to.
func (d *Dir) due(what string) bool {
	if at, ok := d.swept.Get(what); ok && time.Since(at) < staleAge {
		return false
	}
	d.swept.Add(what, time.Now())
	return true
}

// sweep removes the temporary files that writers left in dir when they were
// killed, ours and upstream's. It is done with the first write of a process there,
// and so soon after a daemon was killed, and then once an hour. It may not succeed:
// then the next writer with more rights does it. To be called inside do.
func (d *Dir) sweep(dir string) {
	if !d.due(dir) {
		return
	}
	if err := removeAbandoned(dir); err != nil {
		d.log.Debug("temporary files not looked for", "dir", dir, "err", err)
	}
}

// sweepArtifact sweeps the directory of an artifact, its newest versions, and as
// many others: when what a killed writer left is old enough, its version need not
// be among the newest any more.
func (d *Dir) sweepArtifact(dir string, top int) {
	d.sweep(dir)
	if !d.due(dir + "/v*") {
		return
	}
	const few = 16
	others := time.Now().Nanosecond() // any will do, as long as they are not always the same
	for i := range min(top+1, few) {  // v0 is one, W&B's first
		d.sweep(dir + "/" + Version(top-i).String())
		d.sweep(dir + "/" + Version((others+i)%(top+1)).String())
	}
}

// removeAbandoned removes the temporary files in dir that no writer will rename.
func removeAbandoned(dir string) error {
	var found []string
	err := readDir(dir, func(e fs.DirEntry) {
		if !e.IsDir() && isTemporary(e.Name()) {
			found = append(found, e.Name())
		}
	})
	for _, name := range found {
		if abandoned(dir, name) {
			os.Remove(dir + "/" + name)
		}
	}
	return err
}

// abandoned reports whether nobody is at work on a temporary file. Of a process of
// ours on this node that can be told; for others, on other nodes perhaps, only
// their file's age speaks.
func abandoned(dir, name string) bool {
	w, _ := writerOf(name)
	alive, known := w.alive()
	if known {
		return !alive
	}
	fi, err := os.Lstat(dir + "/" + name)
	return err == nil && !alive && time.Since(fi.ModTime()) > staleAge
}
