package wandbtest

import (
	"strings"
)

// file is one row of W&B's files: an entry of a version, a manifest, a file of a run. The URLs
// are signed when the row is made.
type file struct {
	ID            id
	Name          string
	DisplayName   string
	SizeBytes     int64Scalar
	Md5           *string
	Digest        *string
	Mimetype      *string
	IsReference   bool
	StoragePath   *string
	UpdatedAt     *dateTime
	DirectURL     string
	UploadURL     *string
	UploadHeaders []string

	art *artifact
}

func (f *file) URL(struct{ Upload *bool }) *string    { return &f.DirectURL }
func (f *file) UploadMultipartUrls() *multipartUpload { return nil }
func (f *file) Artifact() *artifact                   { return f.art }

// multipartUpload is for files of 2 GiB and more, which are not served here.
type multipartUpload struct {
	UploadID       string
	UploadURLParts []*uploadPart
}

type uploadPart struct {
	PartNumber int64Scalar
	UploadURL  string
}

// file is the row of the blob at key. With upload it has the URL to put it there with these headers.
func (w *world) file(name, key string, upload bool, headers []string) *file {
	f := &file{ID: nodeID("File", shortHash(key)), Name: name, DisplayName: name, UpdatedAt: ptr(w.now()),
		UploadHeaders: []string{}, DirectURL: w.srv.signed("GET", key, nil)}
	f.SizeBytes = int64Scalar(w.srv.store.size(key))
	if upload {
		f.UploadURL = ptr(w.srv.signed("PUT", key, headers))
		f.UploadHeaders = append(f.UploadHeaders, headers...)
	}
	return f
}

// blob is what a sequence knows of a stored file: one per digest.
type blob struct {
	birth *artifact // who stored it, or was the last to be told to
}

// blobKey is where a file of a sequence lies: by its digest, so that versions share it.
func (c *collection) blobKey(hex string) string { return string(c.ID) + "/" + hex }

func storagePath(key string) *string { return ptr("wandb_artifacts/" + key) }

// file is the row of an entry: a reference's URL is the reference.
func (a *artifact) file(e *entry) *file {
	if e.Ref != "" {
		return &file{ID: nodeID("File", shortHash(string(a.ID)+e.path)), Name: e.path, DisplayName: e.path,
			SizeBytes: int64Scalar(e.Size), Digest: &e.Digest, Md5: &e.Digest, IsReference: true, UpdatedAt: &a.CreatedAt,
			DirectURL: e.Ref, UploadHeaders: []string{}, art: a}
	}
	key := a.entryKey(e)
	f := a.w.file(e.path, key, false, nil)
	f.Digest, f.StoragePath, f.UpdatedAt, f.art = &e.Digest, storagePath(key), &a.CreatedAt, a
	if e.alg() == md5Manifest {
		f.Md5 = &e.Digest
	}
	return f
}

// entryKey is where the bytes of a stored entry lie: with the sequence of the version that stored them.
func (a *artifact) entryKey(e *entry) string {
	if birth := lookup[*artifact](a.w, id(e.BirthArtifactID)); birth != nil {
		return birth.seq.blobKey(e.hex())
	}
	return a.seq.blobKey(e.hex())
}

type fileConnection struct {
	Edges         []*edge[*file]
	PageInfo      *pageInfo
	UploadHeaders []string
	TotalCount    *int32
}

func pageFiles(all []*file, args listArgs) (*fileConnection, error) {
	c, err := pageOf(all, args)
	if err != nil {
		return nil, err
	}
	return &fileConnection{c.Edges, c.PageInfo, []string{}, &c.TotalCount}, nil
}

// filePage makes rows of the page only: a version may have a great many entries.
func (a *artifact) filePage(all []*entry, args listArgs) (*fileConnection, error) {
	c, err := pageOf(all, args)
	if err != nil {
		return nil, err
	}
	files := make([]*edge[*file], len(c.Edges))
	for i, e := range c.Edges {
		files[i] = &edge[*file]{Cursor: e.Cursor, Node: a.file(e.Node)}
	}
	return &fileConnection{files, c.PageInfo, []string{}, &c.TotalCount}, nil
}

// headerLine cuts an upload header, "Key:value".
func headerLine(s string) (key, value string) {
	key, value, _ = strings.Cut(s, ":")
	return key, strings.TrimSpace(value)
}
