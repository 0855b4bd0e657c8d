package outbox

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"time"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// maxBatch is how many files the server is asked about at once.
const maxBatch = 1000

// fill uploads what an artifact holds: its stored files, then its manifest.
func (l *logging) fill(ctx context.Context, a artifact, p *progress) error {
	r, err := gql.CreateManifest(ctx, l.q, p.Pending, p.Base, "", l.entity, l.project, l.run, false)
	if err != nil {
		return err
	}
	l.step("manifest")
	if r.CreateArtifactManifest == nil {
		return fmt.Errorf("artifact %s: W&B made no manifest, and does not say why", a.name)
	}
	births, err := l.upload(ctx, a, p.Pending, r.CreateArtifactManifest.ArtifactManifest.Id)
	if err != nil {
		return err
	}
	return l.uploadManifest(ctx, a, p, births)
}

// upload stores files that W&B does not have, and returns in which version it has
// each.
func (l *logging) upload(ctx context.Context, a artifact, id, manifestID string) (map[string]string, error) {
	in, err := a.open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	births := make(map[string]string)
	var batch []entry
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := l.uploadBatch(ctx, batch, id, manifestID, births)
		batch = nil
		return err
	}
	err = eachEntry(in, func(e entry) error {
		if e.stored() {
			batch = append(batch, e)
		}
		if len(batch) == maxBatch {
			return send()
		}
		return nil
	})
	if err == nil {
		err = send()
	}
	return births, err
}

func (l *logging) uploadBatch(ctx context.Context, batch []entry, id, manifestID string, births map[string]string) error {
	var files []gql.CreateArtifactFileSpecInput
	for _, e := range batch {
		files = append(files, gql.CreateArtifactFileSpecInput{ArtifactID: id, ArtifactManifestID: manifestID, Name: e.Path, Md5: e.Digest})
	}
	r, err := gql.CreateFiles(ctx, l.q, files)
	if err != nil {
		return err
	}
	l.step("files")
	if r.CreateArtifactFiles == nil || len(r.CreateArtifactFiles.Files.Edges) != len(batch) {
		return fmt.Errorf("artifact %s: W&B was told of %d files and answers with another number", l.it.Name, len(batch))
	}
	for i, edge := range r.CreateArtifactFiles.Files.Edges {
		e, n := batch[i], edge.Node
		births[e.Path] = id
		if n == nil {
			return fmt.Errorf("artifact %s: W&B says nothing of the file %s", l.it.Name, e.Path)
		}
		if n.Artifact != nil {
			births[e.Path] = n.Artifact.Id
		}
		if n.UploadUrl == nil {
			continue // it has these bytes
		}
		err := l.put(ctx, *n.UploadUrl, n.UploadHeaders, e.Size, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(e.Data)), nil })
		if err != nil {
			return err
		}
		l.step("uploaded")
	}
	return nil
}

// uploadManifest writes the manifest, which may be large, to a file that has no name,
// says what it will be, and stores it.
func (l *logging) uploadManifest(ctx context.Context, a artifact, p *progress, births map[string]string) error {
	f, err := os.CreateTemp(l.box.dir, "tmp-*")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	in, err := a.open()
	if err != nil {
		return err
	}
	defer in.Close()
	sum := md5.New()
	if err := writeManifest(io.MultiWriter(f, sum), in, births); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	digest := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	r, err := gql.CreateManifest(ctx, l.q, p.Pending, p.Base, digest, l.entity, l.project, l.run, true)
	if err != nil {
		return err
	}
	l.step("manifest address")
	if r.CreateArtifactManifest == nil || r.CreateArtifactManifest.ArtifactManifest.File.UploadUrl == "" {
		return fmt.Errorf("artifact %s: W&B gives no address for the manifest", a.name)
	}
	to := r.CreateArtifactManifest.ArtifactManifest.File
	err = l.put(ctx, to.UploadUrl, to.UploadHeaders, size, func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, size)), nil
	})
	if err == nil {
		l.step("manifest uploaded")
	}
	return err
}

// put uploads within a deadline.
func (l *logging) put(ctx context.Context, address string, headers []string, size int64, open func() (io.ReadCloser, error)) error {
	const slowest = 1 << 20 // bytes a second
	ctx, cancel := context.WithTimeout(ctx, l.request+time.Duration(size/slowest)*time.Second)
	defer cancel()
	return l.c.Upload(ctx, address, headers, size, open)
}
