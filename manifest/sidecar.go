package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// What is ours lies in .artifactfs of the root:
//
//	log/NAME/vN.json      what upstream's record has no place for
//	used/NAME/vN.json     what a version of upstream's own writer was made from
//	requests/HH/HASH      which version answered a request_id
//	locks/HH              held while a latest is moved
//	snapshots/ID/…        what jobs see as latest: see Pins
//	retired/NAME/vN.json  why a version is hidden
//	wandb/NAME/vN.json    which version W&B calls vN
//	numbering             whose numbers the tree shows
//
// Writers of all kinds add to all but the last three, each as itself: their
// directories are like /tmp. Who may retire, or say what W&B has, is who may write
// the artifact: those directories have its mode, and .artifactfs has the root's.
const (
	ownDir    = ".artifactfs"
	sticky    = fs.ModeSticky | 0o777
	likeStore = fs.FileMode(0)
)

var ownDirs = map[string]fs.FileMode{"log": sticky, "used": sticky, "requests": sticky, "locks": sticky, "snapshots": sticky, "retired": likeStore, "wandb": likeStore}

// own returns a directory below .artifactfs/KIND, or with neither .artifactfs, making
// what is missing. None of its components may be a link. To be called inside do.
func (d *Dir) own(kind, rel string) (string, error) {
	mode := ownDirs[kind]
	dir := d.root + "/" + ownDir
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		// Not below a mount point whose file system is gone.
		if err := d.rootThere(); err != nil {
			return "", err
		}
	}
	made, err := makeOwn(dir, d.root, likeStore)
	if err != nil {
		return "", err
	}
	if made {
		// All at once: who comes later may not be allowed to.
		for kind, mode := range ownDirs {
			if _, err := makeOwn(dir+"/"+kind, d.root, mode); err != nil {
				return "", err
			}
		}
	}
	if kind == "log" { // of a store that older releases wrote; readers may not be allowed to
		_, _ = makeOwn(dir+"/snapshots", d.root, sticky)
	}
	if kind == "" {
		return dir, nil
	}
	dir += "/" + kind
	if _, err := makeOwn(dir, d.root, mode); err != nil {
		return "", err
	}
	like := d.root
	for c := range strings.SplitSeq(rel, "/") {
		if c == "" {
			continue
		}
		dir += "/" + c
		like += "/" + c
		if _, err := makeOwn(dir, like, mode); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// makeOwn makes a directory with a mode, or like another one.
func makeOwn(dir, like string, mode fs.FileMode) (made bool, err error) {
	fi, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Mkdir(dir, 0o777); err == nil {
			return true, setMode(dir, like, mode)
		}
		if errors.Is(err, fs.ErrExist) {
			fi, err = os.Lstat(dir)
		}
	}
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s is not a directory: %w", dir, fs.ErrExist)
	}
	return false, err
}

func setMode(dir, like string, mode fs.FileMode) error {
	if mode != likeStore {
		return os.Chmod(dir, mode)
	}
	fi, err := os.Stat(like)
	if err != nil {
		return err
	}
	if gid, ok := groupOf(fi); ok {
		os.Chown(dir, -1, gid) // allowed to members only; the mode must not go to another group
		if now, err := os.Lstat(dir); err != nil {
			return err
		} else if got, _ := groupOf(now); got != gid {
			return os.Chmod(dir, fi.Mode()&^0o070)
		}
	}
	return os.Chmod(dir, fi.Mode()&(fs.ModePerm|fs.ModeSticky|fs.ModeSetgid))
}

func ownerOf(fi fs.FileInfo) (uint32, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

func groupOf(fi fs.FileInfo) (int, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Gid), true
}

// sidecar prepares log/NAME/vN.json. A store whose .artifactfs this caller may
// not write still takes its versions: then there is none, and a warning.
func (d *Dir) sidecar(name string, v int, dr *Draft) *temporary {
	dir, err := d.own("log", name)
	var t *temporary
	if err == nil {
		d.sweep(dir)
		o := append(Object{}, dr.Sidecar...)
		o.Set("name", name)
		o.Set("version", v)
		if dr.RequestID != "" {
			o.Set("request_id", dr.RequestID)
		}
		t, err = newTemporary(dir+"/"+Version(v).String()+".json", append(AppendJSON(nil, o, 2), '\n'))
	}
	if err != nil {
		d.log.Warn("logged without its sidecar", "store", d.root, "artifact", name, "version", v, "err", err)
		return nil
	}
	return t
}
