//go:build linux

package main

import (
	"fmt"
	"os"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// A harness stands in for a test where the servers of tests are started. What ends a test here is a panic, which recover makes an error.
type harness struct {
	testing.TB // for what the servers do not call
	ends       []func()
}

type benchFailure string

func (h *harness) Helper()                      {}
func (h *harness) Cleanup(fn func())            { h.ends = append(h.ends, fn) }
func (h *harness) Fatal(args ...any)            { panic(benchFailure(fmt.Sprint(args...))) }
func (h *harness) Fatalf(f string, args ...any) { panic(benchFailure(fmt.Sprintf(f, args...))) }
func (h *harness) Skipf(f string, args ...any)  { panic(benchFailure(fmt.Sprintf(f, args...))) }

func (h *harness) TempDir() string {
	dir, err := os.MkdirTemp("", "artifactfs-bench-bucket")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (h *harness) Setenv(key, value string) {
	was, set := os.LookupEnv(key)
	os.Setenv(key, value)
	h.Cleanup(func() {
		if os.Unsetenv(key); set {
			os.Setenv(key, was)
		}
	})
}

func (h *harness) end() {
	for i := len(h.ends) - 1; i >= 0; i-- {
		h.ends[i]()
	}
}

// recover is to be deferred.
func (h *harness) recover(err *error) {
	if r := recover(); r != nil {
		why, ok := r.(benchFailure)
		if !ok {
			panic(r)
		}
		*err = fmt.Errorf("%s", string(why))
	}
}

// A counted store says how often it was asked since the last time.
type counted struct {
	uri   string
	asked func() int
}

func (h *harness) store(kind string) counted {
	if kind == "hf" {
		hub := hfhubtest.New(nil)
		h.Cleanup(hub.Close)
		hub.AddUser("me", "hf_me", "org")
		hub.CreateRepo("datasets", "org/store", nil)
		h.Setenv("HF_TOKEN", "hf_me")
		h.Setenv("HF_HOME", h.TempDir())
		return counted{"hf://datasets/org/store/root?endpoint=" + hub.URL, func() int { return len(hub.Requests()) }}
	}
	start := map[string]func(testing.TB) buckettest.Store{"s3": buckettest.S3, "gs": buckettest.GCS, "azblob": buckettest.Azure}[kind]
	s, proxy := start(h).Through(h)
	return counted{s.URI, func() int { return int(proxy.Requests.Swap(0)) }}
}
