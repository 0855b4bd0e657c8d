package wandbtest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// dirStore keeps the bytes of blobs, one file each.
type dirStore struct{ dir string }

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

func (s dirStore) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:])+".blob")
}

func (s dirStore) open(key string) (*os.File, error) { return os.Open(s.path(key)) }

func (s dirStore) has(key string) bool {
	_, err := os.Stat(s.path(key))
	return err == nil
}

func (s dirStore) size(key string) int64 {
	info, err := os.Stat(s.path(key))
	if err != nil {
		return 0
	}
	return info.Size()
}

// clear removes every blob, and nothing else that may lie in the directory.
func (s dirStore) clear() error {
	names, err := filepath.Glob(filepath.Join(s.dir, "*.blob"))
	for _, n := range names {
		err = errors.Join(err, os.Remove(n))
	}
	return err
}

// put stores what check lets through, whole or not at all.
func (s dirStore) put(key string, r io.Reader, check func() error) error {
	f, err := os.CreateTemp(s.dir, ".put-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	if err := check(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path(key))
}
