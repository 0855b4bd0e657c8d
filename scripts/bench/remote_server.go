//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Of the object stores, which know one user.
const (
	bucketName = "bench"
	accessKey  = "artifactfs-bench"
	secretKey  = "not-a-secret"
)

// servers are the object stores on this machine: versitygw, and for gcsfuse fake-gcs-server. What they keep lies in memory, since the page cache is
// dropped before what is to be cold.
type servers struct {
	root    string
	s3, gcs string // host:port; gcs is "" without gcsfuse
	running []*exec.Cmd
	client  *s3.Client
}

func startServers(raw string, withGCS bool) (_ *servers, err error) {
	s := &servers{}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	if s.root, err = os.MkdirTemp("/dev/shm", "artifactfs-bench"); err != nil {
		return nil, err
	}
	for _, dir := range []string{"/s3/", "/gcs/"} {
		if err := os.MkdirAll(s.root+dir+bucketName, 0o755); err != nil {
			return nil, err
		}
	}
	s.s3 = freeAddr()
	if err := s.start(raw, s.s3, "bin/versitygw", "--port", s.s3, "--access", accessKey, "--secret", secretKey, "--quiet", "--keep-alive", "posix", s.root+"/s3"); err != nil {
		return nil, err
	}
	s.client = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.s3), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}),
	})
	if !withGCS {
		return s, nil
	}
	s.gcs = freeAddr()
	return s, s.startGCS(raw, s.gcs, s.gcs)
}

// startGCS starts a fake-gcs-server at addr for clients that know it as host: to others it gives no content.
func (s *servers) startGCS(raw, addr, host string) error {
	ip, port, _ := net.SplitHostPort(addr)
	return s.start(raw, addr, "bin/fake-gcs-server", "-backend", "filesystem", "-filesystem-root", s.root+"/gcs", "-scheme", "http", "-host", ip, "-port", port,
		"-public-host", host, "-external-url", "http://"+host, "-log-level", "error")
}

func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // no loopback
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server, and waits until it listens.
func (s *servers) start(raw, addr string, argv ...string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	log, err := os.OpenFile(filepath.Join(raw, filepath.Base(argv[0])+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: run `make deps`", err)
	}
	s.running = append(s.running, cmd)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("%s does not listen on %s; see %s", argv[0], addr, log.Name())
}

func (s *servers) end() {
	for _, cmd := range s.running {
		cmd.Process.Kill()
		cmd.Wait()
	}
	os.RemoveAll(s.root)
}

// put uploads count objects of size random bytes below data/dir.
func (s *servers) put(dir string, count int, size int64) error {
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%-32.32s", dir))))
	body := make([]byte, size)
	for i := range count {
		random.Read(body[:min(size, 1<<20)])
		for at := int64(1 << 20); at < size; at *= 2 { // the server does not compress
			copy(body[at:], body[:at])
		}
		key := objectKey(dir, i)
		_, err := s.client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: bytes.NewReader(body)})
		if err != nil {
			return err
		}
		if s.gcs == "" {
			continue
		}
		res, err := http.Post("http://"+s.gcs+"/upload/storage/v1/b/"+bucketName+"/o?uploadType=media&name="+url.QueryEscape(key), "application/octet-stream", bytes.NewReader(body))
		if err != nil {
			return err
		}
		if res.Body.Close(); res.StatusCode != http.StatusOK {
			return fmt.Errorf("fake-gcs-server: upload of %s: %s", key, res.Status)
		}
	}
	return nil
}

func objectKey(dir string, i int) string { return fmt.Sprintf("data/%s/%05d", dir, i) }

// presigned returns where anybody may get an object at an address for a day.
func (s *servers) presigned(addr, dir string, i int) (string, error) {
	at := s3.NewPresignClient(s.client, s3.WithPresignClientFromClientOptions(func(o *s3.Options) { o.BaseEndpoint = aws.String("http://" + addr) }))
	req, err := at.PresignGetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: aws.String(objectKey(dir, i))}, s3.WithPresignExpires(24*time.Hour))
	if err != nil {
		return "", err
	}
	return req.URL, nil
}

// get reads a range, and writes it to w as it comes.
func get(c *http.Client, url string, off, n int64, w io.Writer, buf []byte) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusPartialContent {
		return fmt.Errorf("GET of a range: %s", res.Status)
	}
	k, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{res.Body}, buf)
	if err == nil && k != n {
		err = errors.New("short answer to a GET of a range")
	}
	return err
}
