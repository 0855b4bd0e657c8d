package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

var ctx = context.Background()

func testNames(t *testing.T, b *Backend) {
	s := b.Open(t)
	wantNames(t, s, "")
	names, top := []string{"m", "embed/model", "embed/data", "b c", "données"}, []string{"b c", "données", "embed", "m"}
	if b.Flat {
		names, top = []string{"m", "b c", "données"}, []string{"b c", "données", "m"}
	}
	for _, name := range names {
		publish(t, s, name, "/d", 1)
	}
	publish(t, s, "m", "/d", 2)
	wantNames(t, s, "", top...)
	wantNames(t, s, "m")
	if got, err := s.Names(ctx, "none"); !isNotExist(err) {
		t.Errorf("Names of an unknown prefix = %q, %v; want fs.ErrNotExist", got, err)
	}
	if !b.Flat {
		wantNames(t, s, "embed", "data", "model")
		wantVersions(t, s, "embed/model", 1, 1)
	}
}

func testUnknown(t *testing.T, b *Backend) {
	s := b.Open(t)
	publish(t, s, "m", "/d", 1)
	_, err := s.Versions(ctx, "none")
	wantError(t, err, fs.ErrNotExist, "Versions of an unknown name")
	_, err = s.Versions(ctx, "m/none")
	wantError(t, err, fs.ErrNotExist, "Versions of an unknown nested name")
	for _, v := range []int{0, 2, 1 << 40, -1} {
		_, err = s.Manifest(ctx, "m", v)
		wantError(t, err, fs.ErrNotExist, fmt.Sprintf("Manifest of v%d", v))
	}
	_, err = s.Manifest(ctx, "none", 1)
	wantError(t, err, fs.ErrNotExist, "Manifest of an unknown name")
	for _, name := range badNames {
		if l, err := s.Versions(ctx, name); err == nil {
			t.Errorf("Versions(%q) = %v; want an error", name, l)
		}
		if r, err := s.Manifest(ctx, name, 1); err == nil {
			t.Errorf("Manifest(%q) = %v; want an error", name, r)
		}
	}
}

var badNames = []string{
	"", ".", "..", "../m", "m/..", "/m", "m/", "m//n", ".hidden", "a/.b", "m/v1", "v1", "m\x00", strings.Repeat("n", 256),
}

func testRoundTrip(t *testing.T, b *Backend) {
	s := b.Open(t)
	d := draft("m", "/data/ <&>é\x7f")
	d.Manifest.Metadata = manifest.Object{{Key: "z", Value: manifest.Number("1e-05")}, {Key: "a", Value: nil}}
	publishDraft(t, s, d, 1)
	for _, s := range []interface {
		Manifest(context.Context, string, int) (*manifest.Record, error)
	}{s, b.Open(t)} {
		r, err := s.Manifest(ctx, "m", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(r.Raw), string(d.ManifestBytes(1)); got != want {
			t.Errorf("manifest.json:\n%s\nwant\n%s", got, want)
		}
		if got, want := string(r.RawMeta), string(d.MetadataBytes()); got != want {
			t.Errorf("metadata.json:\n%s\nwant\n%s", got, want)
		}
		if r.Manifest.Path != d.Manifest.Path || r.Manifest.Version != 1 || r.Legacy {
			t.Errorf("Manifest = %+v", r.Manifest)
		}
		if v, err := r.Field("pack_size", "v1"); err != nil || v != manifest.Number("4096") {
			t.Errorf("pack_size = %v, %v", v, err)
		}
	}
}

func testIncomplete(t *testing.T, b *Backend) {
	needs(t, b.Write != nil, "Write")
	s := b.Open(t)
	publish(t, s, "m", "/d", 1)
	b.Write(t, "m/v4/metadata.json", `{"path": "/d"}`)
	b.Write(t, "m/v5/manifest.json.tmp.77", `{"path": "/d"}`)
	b.within(t, "v4 and v5 are claimed", func() bool {
		return slices.Equal(versions(t, s, "m").Claimed, []int{1, 4, 5})
	})
	wantVersions(t, s, "m", 1, 1)
	_, err := s.Manifest(ctx, "m", 4)
	wantError(t, err, fs.ErrNotExist, "Manifest of an incomplete version")
	b.Write(t, "m/v4/manifest.json", `{"path": "/4"}`)
	b.within(t, "v4 is complete", func() bool { return slices.Equal(versions(t, s, "m").Versions, []int{1, 4}) })
	// What was read in between must not be kept without its metadata.json.
	b.Write(t, "m/v6/manifest.json", `{"path": "/6"}`)
	b.within(t, "v6 is complete", func() bool { r, err := s.Manifest(ctx, "m", 6); return err == nil && r.Meta == nil })
	b.Write(t, "m/v6/metadata.json", `{"k": 1}`)
	b.within(t, "v6 has its metadata", func() bool { r, err := s.Manifest(ctx, "m", 6); return err == nil && r.Meta != nil })
}

func testHostile(t *testing.T, b *Backend) {
	needs(t, b.Write != nil, "Write")
	s := b.Open(t)
	publish(t, s, "m", "/d", 1)
	publish(t, s, "m", "/d", 2)
	for i, text := range []string{
		"", "{", "[]", "null", `"x"`, "7", "{}", `{"path": null}`, `{"path": 7}`, `{"path": ""}`, `{"Path": "/d"}`, "\xff\xfe{",
		`{"path": "/d", "x": nan}`, `{"path": "/d"} x`, `{"path":` + strings.Repeat("[", 100_000), strings.Repeat(" ", 17<<20) + `{"path": "/d"}`,
	} {
		b.Write(t, fmt.Sprintf("m/v%d/manifest.json", 10+i), text)
		_, err := s.Manifest(ctx, "m", 10+i)
		wantError(t, err, fs.ErrNotExist, fmt.Sprintf("Manifest of %.30q", text))
	}
	for _, name := range []string{"v05", "v²", "v٣", "v99999999999999999999999", "V7", "v-9", "v 8", "v9.bak", "sub\nline", "9"} {
		b.Write(t, "m/"+name+"/manifest.json", `{"path": "/d"}`)
	}
	b.Write(t, "m/v30", "a file")
	b.Write(t, "m/.v31/manifest.json", `{"path": "/d"}`)
	time.Sleep(b.TTL)
	wantVersions(t, s, "m", 2, 1, 2)
	for _, text := range []string{"", "v9", "v99999999999999999999999", "../m/v1", "/m/v1", "v10", "latest", "v1\nv2", "\ufeffv1", "\xff", strings.Repeat("x", 1<<20)} {
		b.Write(t, "m/latest", text)
		time.Sleep(b.TTL)
		if l := versions(t, s, "m"); l.Latest != 2 || l.Warning == "" {
			t.Errorf("latest holds %.20q: latest is v%d, warning %q; want v2 and a warning", text, l.Latest, l.Warning)
		}
	}
	publish(t, s, "m", "/d", 31)
	wantVersions(t, s, "m", 31, 1, 2, 31)
}

func testLinks(t *testing.T, b *Backend) {
	needs(t, b.Link != nil && b.Write != nil, "Link")
	s := b.Open(t)
	publish(t, s, "m", "/d", 1)
	b.Link(t, "m/v2", "v1")
	b.Link(t, "m/v3", "v3")
	b.Link(t, "m/v4", "/etc")
	b.Link(t, "m/v5", "../../..")
	b.Link(t, "m/v6", "nowhere")
	b.Link(t, "out", "/")
	b.Link(t, "up", "..")
	b.Link(t, "n", "m")
	b.Link(t, "loop", "loop")
	time.Sleep(b.TTL)
	l := wantVersions(t, s, "m", 1, 1, 2)
	if want := []int{1, 2, 3, 4, 5, 6}; !slices.Equal(l.Claimed, want) {
		t.Errorf("Claimed = %v; want %v", l.Claimed, want)
	}
	wantVersions(t, s, "n", 1, 1, 2)
	wantNames(t, s, "", "m", "n")
	for _, name := range []string{"out", "out/etc", "up", "loop"} {
		if l, err := s.Versions(ctx, name); err == nil {
			t.Errorf("Versions(%s) = %v; want an error", name, l)
		}
	}
	publish(t, s, "m", "/d", 7)
}

func testUnreachable(t *testing.T, b *Backend) {
	needs(t, b.Break != nil, "Break")
	s := b.Open(t)
	publish(t, s, "m", "/d", 1)
	want := wantVersions(t, s, "m", 1, 1)
	wantNames(t, s, "", "m")
	if _, err := s.Manifest(ctx, "m", 1); err != nil {
		t.Fatal(err)
	}
	mend := b.Break(t)
	time.Sleep(b.TTL)
	for name, err := range map[string]error{
		"Versions of an unknown name": second(s.Versions(ctx, "none")),
		"Manifest of an unknown name": second(s.Manifest(ctx, "none", 1)),
		"Manifest of an unknown v9":   second(s.Manifest(ctx, "m", 9)),
		"Names of an unknown prefix":  second(s.Names(ctx, "none")),
	} {
		if err == nil || isNotExist(err) {
			t.Errorf("%s, while the store is unreachable: %v; want an error that is not fs.ErrNotExist", name, err)
		}
	}
	if l, err := s.Versions(ctx, "m"); err != nil || !slices.Equal(l.Versions, want.Versions) || l.Latest != 1 {
		t.Errorf("the last listing: %v, %v; want %v", l, err, want)
	}
	if _, err := s.Manifest(ctx, "m", 1); err != nil {
		t.Errorf("the last record: %v", err)
	}
	wantNames(t, s, "", "m")
	if _, err := b.Open(t).Versions(ctx, "m"); err == nil || isNotExist(err) {
		t.Errorf("Versions without a last answer: %v; want an error that is not fs.ErrNotExist", err)
	}
	if _, err := b.Open(t).Names(ctx, ""); err == nil || isNotExist(err) {
		t.Errorf("Names without a last answer: %v; want an error that is not fs.ErrNotExist", err)
	}
	mend()
	b.within(t, "the store is back", func() bool {
		_, err := s.Versions(ctx, "none")
		return errors.Is(err, fs.ErrNotExist)
	})
	publish(t, s, "m", "/d", 2)
	wantVersions(t, s, "m", 2, 1, 2)
}

func second[T any](_ T, err error) error { return err }
