package manifest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

var quiet = slog.New(slog.DiscardHandler)

// One log, with everything that makes it durable.
func BenchmarkPublish(b *testing.B) {
	d := open(b, b.TempDir(), &manifest.DirOptions{Log: quiet})
	for b.Loop() {
		if _, err := d.Publish(context.Background(), "m", versionOf("/d")); err != nil {
			b.Fatal(err)
		}
	}
}

// 64 writers on one name.
func BenchmarkPublishTogether(b *testing.B) {
	d := open(b, b.TempDir(), &manifest.DirOptions{Log: quiet})
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := d.Publish(context.Background(), "m", versionOf("/d")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What a read through the mount asks, by whom.
func BenchmarkRead(b *testing.B) {
	root := b.TempDir()
	for v := 1; v <= 3; v++ {
		writeVersion(b, fmt.Sprintf("%s/m/v%d", root, v))
	}
	ok(b, os.WriteFile(root+"/m/latest", []byte("v3"), 0o644))
	own := context.Background()
	other := store.WithCaller(own, store.Caller{UID: 0, GID: 0, PID: uint32(os.Getpid())})
	for _, who := range []struct {
		name     string
		ctx      context.Context
		asCaller bool
	}{{"own", own, false}, {"caller", other, true}} {
		d := open(b, root, &manifest.DirOptions{Log: quiet, Local: store.NewLocal(&store.Options{AsCaller: who.asCaller})})
		b.Run("Versions/"+who.name, func(b *testing.B) {
			for b.Loop() {
				_, err := d.Versions(who.ctx, "m")
				ok(b, err)
			}
		})
		b.Run("Manifest/"+who.name, func(b *testing.B) {
			for b.Loop() {
				_, err := d.Manifest(who.ctx, "m", 2)
				ok(b, err)
			}
		})
	}
}

// A relisting of many versions that are known.
func BenchmarkRelist(b *testing.B) {
	root := b.TempDir()
	for v := 1; v <= 10_000; v++ {
		writeVersion(b, fmt.Sprintf("%s/m/v%d", root, v))
	}
	d := open(b, root, &manifest.DirOptions{Log: quiet, TTL: time.Nanosecond})
	_, err := d.Versions(context.Background(), "m")
	ok(b, err)
	for b.Loop() {
		_, err := d.Versions(context.Background(), "m")
		ok(b, err)
	}
}

// 100,000 artifacts: listing them is one readdir, and costs little memory.
func BenchmarkNames100k(b *testing.B) {
	root := b.TempDir()
	for i := range 100_000 {
		ok(b, os.Mkdir(fmt.Sprintf("%s/artifact-%06d", root, i), 0o755))
	}
	d := open(b, root, &manifest.DirOptions{Log: quiet, TTL: time.Nanosecond})
	for b.Loop() {
		names, err := d.Names(context.Background(), "")
		if err != nil || len(names) != 100_000 {
			b.Fatal(len(names), err)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MiB-kept")
	runtime.KeepAlive(d)
}

func writeVersion(b *testing.B, dir string) {
	b.Helper()
	ok(b, os.MkdirAll(dir, 0o755))
	for file, text := range map[string]string{"manifest.json": `{"path": "/d", "type": "T"}`, "metadata.json": "{}"} {
		ok(b, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
}
