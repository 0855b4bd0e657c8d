package hfblob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// lfsObject is content in LFS.
type lfsObject struct {
	OID  string `json:"oid"`
	Size int64  `json:"size"`
}

// upload asks which files go to LFS, and puts them there. They are part of nothing
// until a commit names them.
func (r *Repo) upload(ctx context.Context, files []File) (map[string]lfsObject, error) {
	large, err := r.large(ctx, files)
	if err != nil || len(large) == 0 {
		return nil, err
	}
	objects := map[string]lfsObject{}
	list := []lfsObject{}
	byOID := map[string]*io.SectionReader{}
	for _, f := range large {
		o, err := digest(f.Content)
		if err != nil {
			return nil, err
		}
		objects[f.Key] = o
		if byOID[o.OID] == nil {
			list, byOID[o.OID] = append(list, o), f.Content
		}
	}
	type action struct {
		Href   string
		Header map[string]string
	}
	var out struct {
		Objects []struct {
			lfsObject
			Actions *struct{ Upload, Verify *action }
			Error   *struct{ Message string }
		}
	}
	q := &request{method: http.MethodPost, url: r.page() + ".git/info/lfs/objects/batch", header: http.Header{"Accept": {"application/vnd.git-lfs+json"}}}
	jsonBody(q, map[string]any{"operation": "upload", "transfers": []string{"basic"}, "objects": list, "hash_algo": "sha256", "ref": map[string]string{"name": r.uri.Rev}})
	q.header.Set("Content-Type", "application/vnd.git-lfs+json")
	if _, err := r.c.api(ctx, q, &out); err != nil {
		return nil, err
	}
	for _, o := range out.Objects {
		switch {
		case o.Error != nil:
			return nil, fmt.Errorf("LFS object %s: %s", o.OID, o.Error.Message)
		case o.Actions == nil || o.Actions.Upload == nil:
			continue // it is there
		case byOID[o.OID] == nil || o.Actions.Upload.Header["chunk_size"] != "":
			return nil, fmt.Errorf("LFS object %s: the Hub wants it in a way that was not offered", o.OID)
		}
		if err := r.put(ctx, o.Actions.Upload.Href, byOID[o.OID], o.lfsObject); err != nil {
			return nil, fmt.Errorf("LFS object %s: %w", o.OID, err)
		}
		if v := o.Actions.Verify; v != nil {
			var ok any
			if _, err := r.c.api(ctx, jsonBody(&request{method: http.MethodPost, url: v.Href}, o.lfsObject), &ok); err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("LFS object %s: %w", o.OID, err)
			}
		}
	}
	return objects, nil
}

// large returns the files that are to be in LFS: the Hub decides.
func (r *Repo) large(ctx context.Context, files []File) (large []File, err error) {
	type ask struct {
		Path   string `json:"path"`
		Size   int64  `json:"size"`
		Sample string `json:"sample"`
	}
	byPath := map[string]File{}
	var asks []ask
	for _, f := range files {
		if f.Content == nil {
			continue
		}
		size := f.Content.Size()
		if size == 0 {
			continue // what is empty is never in LFS
		}
		sample := make([]byte, min(size, 512))
		if _, err := io.ReadFull(again(f.Content), sample); err != nil {
			return nil, err
		}
		byPath[toPath(f.Key)] = f
		asks = append(asks, ask{toPath(f.Key), size, base64.StdEncoding.EncodeToString(sample)})
	}
	for len(asks) > 0 {
		n := min(len(asks), 256)
		var out struct {
			Files []struct {
				Path, UploadMode string
				ShouldIgnore     bool
			}
		}
		if _, err := r.c.api(ctx, jsonBody(&request{method: http.MethodPost, url: r.api("preupload", r.uri.Rev)}, map[string]any{"files": asks[:n]}), &out); err != nil {
			return nil, err
		}
		for _, f := range out.Files {
			switch file, ok := byPath[f.Path]; {
			case ok && f.UploadMode == "lfs":
				large = append(large, file)
			case f.UploadMode != "regular" && f.UploadMode != "lfs":
				return nil, fmt.Errorf("%s: the Hub wants it uploaded as %q, which is not known here", f.Path, f.UploadMode)
			}
		}
		asks = asks[n:]
	}
	return large, nil
}

func digest(c *io.SectionReader) (lfsObject, error) {
	h := sha256.New()
	n, err := io.Copy(h, again(c))
	return lfsObject{hex.EncodeToString(h.Sum(nil)), n}, err
}

// put uploads to a signed URL, which says itself by which right.
func (r *Repo) put(ctx context.Context, href string, content *io.SectionReader, o lfsObject) error {
	if strings.HasPrefix(r.c.o.Endpoint, "https:") && !strings.HasPrefix(href, "https:") {
		return errors.New("the Hub wants it uploaded without encryption")
	}
	q := &request{method: http.MethodPut, url: href, size: o.Size, body: func() (io.ReadCloser, error) {
		return io.NopCloser(again(content)), nil
	}}
	res, err := r.c.do(ctx, q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("the upload is redirected (%s)", res.Status)
	}
	return nil
}
