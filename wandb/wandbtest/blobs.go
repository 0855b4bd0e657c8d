package wandbtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// The blob store stands for S3: another host name, signed URLs that expire, ranges. It takes no
// credentials, answers errors in XML, and wants the headers of an upload as they were signed.

const storagePrefix = "/storage/"

// signed is the URL by which key can be read ("GET"), or put with exactly these headers ("PUT").
func (s *Server) signed(method, key string, headers []string) string {
	q := url.Values{}
	q.Set("expires", strconv.FormatInt(s.now().Add(s.lifetime()).UnixNano(), 10))
	q.Set("series", strconv.FormatInt(s.series.Load(), 10))
	if len(headers) > 0 {
		q.Set("headers", strings.Join(headers, "\n"))
	}
	q.Set("signature", s.signature(method, key, q))
	segments := strings.Split(key, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return s.StoreURL + storagePrefix + strings.Join(segments, "/") + "?" + q.Encode()
}

func (s *Server) signature(method, key string, q url.Values) string {
	h := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%s", method, key, q.Get("expires"), q.Get("series"), q.Get("headers"))
	return hex.EncodeToString(h.Sum(nil))
}

// allowed is why a request to the store is refused, or nil.
func (s *Server) allowed(r *http.Request, key string) error {
	q := r.URL.Query()
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	expires, _ := strconv.ParseInt(q.Get("expires"), 10, 64)
	series, _ := strconv.ParseInt(q.Get("series"), 10, 64)
	switch {
	case r.Header.Get("Authorization") != "":
		return &storeError{400, "InvalidArgument", "Only one auth mechanism allowed"}
	case !hmac.Equal([]byte(s.signature(method, key, q)), []byte(q.Get("signature"))):
		return &storeError{403, "SignatureDoesNotMatch", "the signature does not match"}
	case s.now().After(time.Unix(0, expires)) || series < s.series.Load():
		return &storeError{403, "AccessDenied", "Request has expired"}
	}
	for _, line := range strings.Split(q.Get("headers"), "\n") {
		if k, v := headerLine(line); k != "" && r.Header.Get(k) != v {
			return &storeError{403, "SignatureDoesNotMatch", "header " + k + " is not the one that was signed"}
		}
	}
	return nil
}

type storeError struct {
	status     int
	code, text string
}

func (e *storeError) Error() string { return e.text }

func (e *storeError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", e.code, e.text)
}

// serveBlob answers the blob host. corrupt turns over a byte of what is read.
func (s *Server) serveBlob(w http.ResponseWriter, r *http.Request, corrupt bool) {
	key := strings.TrimPrefix(r.URL.Path, storagePrefix)
	err := s.allowed(r, key)
	if err == nil {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			err = s.readBlob(w, r, key, corrupt)
		case http.MethodPut:
			err = s.writeBlob(w, r, key)
		default:
			err = &storeError{405, "MethodNotAllowed", r.Method}
		}
	}
	if err == nil {
		return
	}
	if e, ok := err.(*storeError); ok {
		e.write(w)
		return
	}
	(&storeError{500, "InternalError", err.Error()}).write(w)
}

func (s *Server) readBlob(w http.ResponseWriter, r *http.Request, key string, corrupt bool) error {
	f, err := s.store.open(key)
	if err != nil {
		return &storeError{404, "NoSuchKey", "The specified key does not exist."}
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+shortHash(key)+`"`)
	var content io.ReadSeeker = f
	if corrupt {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		if len(b) > 0 {
			b[len(b)/2] ^= 0xff
		}
		content = bytes.NewReader(b)
	}
	http.ServeContent(&countingWriter{ResponseWriter: w, srv: s}, r, "", time.Time{}, content)
	return nil
}

func (s *Server) writeBlob(w http.ResponseWriter, r *http.Request, key string) error {
	if r.ContentLength < 0 {
		return &storeError{411, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	}
	var sum hash.Hash = md5.New()
	err := s.store.put(key, io.TeeReader(r.Body, sum), func() error {
		if want := r.Header.Get("Content-MD5"); want != "" && want != base64.StdEncoding.EncodeToString(sum.Sum(nil)) {
			return &storeError{400, "BadDigest", "The Content-MD5 you specified did not match what we received."}
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum.Sum(nil))+`"`)
	w.WriteHeader(http.StatusOK)
	return nil
}

// countingWriter counts the bytes of blobs that the store hands out, and not those of its errors.
// It hides ReaderFrom, which would pass it by.
type countingWriter struct {
	http.ResponseWriter
	srv    *Server
	failed bool
}

func (w *countingWriter) WriteHeader(status int) {
	w.failed = status >= 300
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if !w.failed {
		w.srv.served.Add(int64(n))
	}
	return n, err
}
