//go:build !linux

package store

import "errors"

// Elsewhere a writer has no namespace of its own.
type writer struct {
	pid   uint32
	space space
}

func (*Local) writerOf(uint32) (*writer, error) { return nil, nil }

func (*Local) openWriter(uint32) (*writer, error) { return nil, errors.ErrUnsupported }

func (*writer) inHostRoot(string) []string { return nil }
