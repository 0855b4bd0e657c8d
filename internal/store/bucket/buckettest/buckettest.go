// Package buckettest runs real object stores on this machine for tests: versitygw
// for S3, fake-gcs-server for Google Cloud Storage, Azurite for Azure. `make deps`
// installs them; where one is missing its tests are skipped, and say so.
package buckettest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// Store is an empty bucket of a server that ends with the test.
type Store struct {
	Name string // s3, gs or azblob
	URI  string // as bucket.Parse takes it, with all that it takes to reach it
	Addr string // host:port of the server
	Dir  string // of S3: where the bucket's objects lie as files; else ""
}

// Each runs fn on each kind of store, with credentials in the environment.
func Each(t *testing.T, fn func(t *testing.T, s Store)) {
	for _, c := range []struct {
		name  string
		start func(testing.TB) Store
	}{{"s3", S3}, {"gs", GCS}, {"azblob", Azure}} {
		t.Run(c.name, func(t *testing.T) { fn(t, c.start(t)) })
	}
}

const name = "test" // of every bucket

// S3 starts versitygw over an empty directory.
func S3(t testing.TB) Store { return startS3(t) }

// startS3 starts versitygw with options of its posix backend.
func startS3(t testing.TB, options ...string) Store {
	root := t.TempDir()
	if err := os.Mkdir(root+"/"+name, 0o755); err != nil {
		t.Fatal(err)
	}
	const key, secret = "artifactfs-test", "not-a-secret"
	addr := freeAddr(t)
	args := append([]string{"--port", addr, "--access", key, "--secret", secret, "--quiet", "--keep-alive", "posix"}, options...)
	start(t, addr, tool(t, "bin/versitygw"), append(args, root)...)
	t.Setenv("AWS_ACCESS_KEY_ID", key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	return Store{"s3", "s3://" + name + "?endpoint=http://" + addr, addr, root + "/" + name}
}

// S3Attr is what versitygw keeps of an object of this content beside it, in its
// directory: the name and the value of an extended attribute.
func S3Attr(content []byte) (name string, value []byte) {
	return "user.etag", fmt.Appendf(nil, "%q", fmt.Sprintf("%x", md5.Sum(content)))
}

// GCS starts fake-gcs-server with nothing in it.
func GCS(t testing.TB) Store { return startGCS(t, `{"name": "`+name+`"}`, "-backend", "memory") }

// GCSWith starts fake-gcs-server over a directory, which is how it can have very many
// objects: in memory each costs a look at all. DIR/test/KEY is an object, with
// the extended attribute GCSAttr.
func GCSWith(t testing.TB, dir string) Store {
	return startGCS(t, `{"name": "`+name+`"}`, "-backend", "filesystem", "-filesystem-root", dir)
}

// GCSAttr is what the server then keeps of an object, as S3Attr.
func GCSAttr(content []byte) (name string, value []byte) {
	sum := md5.Sum(content)
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
	return "user.metadata", fmt.Appendf(nil, `{"ContentType": "text/plain", "Crc32c": %q, "Md5Hash": %q, "Etag": "\"1\"", "Created": %q, "Updated": %[3]q, "Generation": 1}`,
		base64.StdEncoding.EncodeToString(crc), base64.StdEncoding.EncodeToString(sum[:]), "2026-01-01T00:00:00.000000Z")
}

// startGCS starts fake-gcs-server, and makes the bucket.
func startGCS(t testing.TB, bucket string, backend ...string) Store {
	addr := freeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	start(t, addr, tool(t, "bin/fake-gcs-server"), append(backend, "-scheme", "http", "-host", host, "-port", port,
		"-public-host", addr, "-external-url", "http://"+addr, "-log-level", "error", "-data", t.TempDir())...)
	res, err := http.Post("http://"+addr+"/storage/v1/b?project=test", "application/json", strings.NewReader(bucket))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	t.Setenv("STORAGE_EMULATOR_HOST", addr)
	return Store{Name: "gs", URI: "gs://" + name, Addr: addr}
}

// azuriteKey is the one that Azurite's documentation gives for its only account.
const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azure starts Azurite with nothing in it.
func Azure(t testing.TB) Store {
	addr := freeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	start(t, addr, tool(t, "bin/azurite/node_modules/.bin/azurite-blob"), "--blobHost", host, "--blobPort", port, "--inMemoryPersistence",
		"--skipApiVersionCheck", "--disableTelemetry", "--silent")
	t.Setenv("AZURE_STORAGE_ACCOUNT", azuriteAccount)
	t.Setenv("AZURE_STORAGE_KEY", azuriteKey)
	cred, err := azblob.NewSharedKeyCredential(azuriteAccount, azuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	client, err := azblob.NewClientWithSharedKeyCredential("http://"+addr+"/"+azuriteAccount, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateContainer(context.Background(), name, nil); err != nil {
		t.Fatal(err)
	}
	return Store{Name: "azblob", URI: "azblob://" + name + "?protocol=http&localemu=true&domain=" + addr, Addr: addr}
}

// tool returns a program that `make deps` has put below the module's directory.
func tool(t testing.TB, rel string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir + "/go.mod"); err == nil {
			break
		}
	}
	path := filepath.Join(dir, rel)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not installed: make deps", rel)
	}
	return path
}

// freeAddr returns an address that nothing listens on. Its port lies below those that the
// kernel gives to whoever connects: one of them might be taken before the server has it.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// start runs a server until the end of the test, and waits until it listens.
func start(t testing.TB, addr, program string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	})
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("%s: %v\n%s", program, err, &out)
		default:
		}
	}
	t.Fatalf("%s does not listen on %s", strings.Join(append([]string{program}, args...), " "), addr)
}

// String is what a test shows.
func (s Store) String() string { return fmt.Sprintf("%s at %s", s.Name, s.Addr) }
