//go:build !linux

package store

// withUmask: elsewhere nothing is made for another process.
func withUmask(_ int, fn func() error) error { return fn() }
