package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// claimNext makes the directory of the next free number. Where the listing is
// older than what is there, as on NFS, mkdir knows better.
func (d *Dir) claimNext(dir, name string) (int, error) {
	highest := 0
	for {
		top, err := d.highest(dir, name)
		if err != nil {
			return 0, err
		}
		if highest = max(highest, top); highest == math.MaxInt {
			return 0, fmt.Errorf("%s/v%d leaves no higher number: %w", dir, highest, fs.ErrExist)
		}
		highest++
		err = os.Mkdir(filepath.Join(dir, Version(highest).String()), 0o777)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return highest, err
		}
	}
}

// highest returns the highest number that is taken, by anything.
func (d *Dir) highest(dir, name string) (int, error) {
	top := 0
	err := readDir(dir, func(e fs.DirEntry) {
		v, _, _ := number(e.Name())
		top = max(top, v)
	})
	for _, v := range d.legacy().numbers(name) {
		top = max(top, v)
	}
	d.sweepArtifact(dir, top)
	return top, err
}

// commit writes a claimed version. All files are durable before manifest.json
// gets its name. It returns the directories that are to be synced for the names
// to be durable too, that of the claim among them.
func (p *publishing) commit(dir string, v int, req *request, latest *temporary) (dirs []string, err error) {
	d, vdir := p.d, filepath.Join(dir, Version(v).String())
	side := d.sidecar(p.name, v, p.draft)
	defer side.discard()
	d.step("sidecar written")
	meta, err := newTemporary(vdir+"/metadata.json", p.draft.MetadataBytes())
	if err != nil {
		return nil, err
	}
	defer meta.discard()
	d.step("metadata written")
	record, err := newTemporary(vdir+"/manifest.json", p.draft.ManifestBytes(v))
	if err != nil {
		return nil, err
	}
	defer record.discard()
	d.step("manifest written")
	files := []syncer{meta, record, latest}
	if side != nil {
		files = append(files, side)
	}
	if f := req.record(v); f != nil {
		files = append(files, f)
	}
	if err := syncAll(files...); err != nil {
		return nil, err
	}
	d.step("synced")
	dirs, err = p.install(vdir, side, meta, record)
	return append(dirs, dir), err
}

// install gives the files their names.
func (p *publishing) install(vdir string, side, meta, record *temporary) (dirs []string, err error) {
	d := p.d
	dirs = []string{vdir}
	if side != nil {
		if err := side.keep(); err != nil {
			d.log.Warn("logged without its sidecar", "store", d.root, "artifact", p.name, "err", err)
		} else {
			dirs = append(dirs, filepath.Dir(side.final))
		}
	}
	d.step("sidecar named")
	for _, t := range []*temporary{meta, record} {
		if err := t.keepNew(); errors.Is(err, fs.ErrExist) {
			if side != nil {
				os.Remove(side.final)
			}
			return nil, errTaken
		} else if err != nil {
			return nil, err
		}
		d.step(filepath.Base(t.final) + " named")
	}
	return dirs, nil
}
