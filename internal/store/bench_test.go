package store

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// The cost of one access, per kind of caller. "native" is the bare system
// calls that the access consists of.
func BenchmarkLstat(b *testing.B) {
	benchAccess(b, func(ctx context.Context, l *Local, p string) error {
		_, err := l.Lstat(ctx, p)
		return err
	}, func(p string) error {
		_, err := stat(p)
		return err
	})
}

func BenchmarkOpenWith(b *testing.B) {
	benchAccess(b, func(ctx context.Context, l *Local, p string) error {
		f, _, err := l.OpenWith(ctx, p, nil)
		if err == nil {
			err = f.Close()
		}
		return err
	}, func(p string) error {
		f, err := os.Open(p)
		if err == nil {
			_, err = f.Stat()
			f.Close()
		}
		return err
	})
}

func BenchmarkResolve(b *testing.B) {
	benchAccess(b, func(ctx context.Context, l *Local, p string) error {
		_, err := l.Resolve(ctx, p)
		return err
	}, func(p string) error {
		_, err := filepath.EvalSymlinks(p)
		return err
	})
}

func BenchmarkSearchable(b *testing.B) {
	benchAccess(b, func(ctx context.Context, l *Local, p string) error {
		l.Searchable(ctx, p)
		return nil
	}, nil)
}

func benchAccess(b *testing.B, op func(context.Context, *Local, string) error, native func(string) error) {
	dir := openDir(b)
	path := filepath.Join(dir, "a", "b", "file")
	mkfile(b, path, 0o644)
	l := NewLocal(&Options{Roots: []string{dir}, AsCaller: true})
	pid := uint32(os.Getpid())
	for name, ctx := range map[string]context.Context{
		"daemon": context.Background(),
		"root":   WithCaller(context.Background(), Caller{PID: pid}),
		"user":   WithCaller(context.Background(), Caller{UID: 65534, GID: 65534, PID: 0}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := op(ctx, l, path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	if native != nil {
		b.Run("native", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := native(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
