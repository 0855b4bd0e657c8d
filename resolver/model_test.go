package resolver

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"artifactfs.dev/artifactfs/manifest"
)

// Each step is an fsync or more: a dozen rounds unless more are asked for.
func init() { flag.Set("rapid.checks", "12") }

// model is what a tree over one artifact should show.
type model struct {
	paths   map[int]string // by version
	retired map[int]bool
	alias   map[string]int
	claimed []int // numbers without a record
	highest int
}

func (m *model) listed() []int {
	var list []int
	for n := range m.paths {
		if !m.retired[n] {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// latest: the highest version that is not retired.
func (m *model) latest() int {
	if l := m.listed(); len(l) > 0 {
		return l[len(l)-1]
	}
	return 0
}

// Whatever is published, renamed, retired and claimed, in whatever order, the tree
// shows it, and a number never changes its meaning.
func TestModel(t *testing.T) {
	round := 0
	s := newSite(t, nil)
	for i := range 3 {
		s.file(fmt.Sprintf("d%d/x", i), fmt.Sprint(i))
	}
	rapid.Check(t, func(r *rapid.T) {
		round++
		name := fmt.Sprintf("n%d/a", round)
		m := &model{paths: map[int]string{}, retired: map[int]bool{}, alias: map[string]int{}}
		version := func(r *rapid.T) int {
			if len(m.paths) == 0 {
				r.Skip("no version")
			}
			return rapid.SampledFrom(slices.Sorted(maps.Keys(m.paths))).Draw(r, "version")
		}
		r.Repeat(map[string]func(*rapid.T){
			"log": func(r *rapid.T) {
				data := fmt.Sprintf("d%d", rapid.IntRange(0, 2).Draw(r, "data"))
				req, err := manifest.NewRequest(s.data + "/" + data)
				must(r, err)
				res, err := s.Tree.Log(ctx, name, req, LogOptions{})
				must(r, err)
				if res.Version <= m.highest || res.New != (len(m.paths) == 0 && res.Version <= 8) {
					r.Fatalf("logged v%d (new %v) after v%d", res.Version, res.New, m.highest)
				}
				m.highest = res.Version
				m.paths[res.Version] = data
			},
			"claim": func(r *rapid.T) {
				must(r, s.dir.Claim(ctx, name, m.highest+1))
				m.highest++
				m.claimed = append(m.claimed, m.highest)
			},
			"alias": func(r *rapid.T) {
				n, alias := version(r), rapid.SampledFrom([]string{"prod", "best"}).Draw(r, "alias")
				must(r, s.Alias(ctx, manifest.Ref{Name: name, Version: manifest.Version(n).String()}, alias))
				m.alias[alias] = n
			},
			"remove alias": func(r *rapid.T) {
				alias := rapid.SampledFrom([]string{"prod", "best"}).Draw(r, "alias")
				err := s.RemoveAlias(ctx, name, alias)
				if _, there := m.alias[alias]; there != (err == nil) {
					r.Fatalf("remove %s: %v", alias, err)
				}
				delete(m.alias, alias)
			},
			"retire": func(r *rapid.T) {
				n, undo := version(r), rapid.Bool().Draw(r, "undo")
				_, err := s.Retire(ctx, manifest.Ref{Name: name, Version: manifest.Version(n).String()}, "why", undo)
				if err == nil {
					m.retired[n] = !undo
				} else if m.retired[n] == !undo {
					return // it was so already
				} else {
					r.Fatal(err)
				}
			},
			"": func(r *rapid.T) { m.check(r, s, name) },
		})
	})
}

func must(r *rapid.T, err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// check compares the tree, through io/fs, with the model.
func (m *model) check(r *rapid.T, s *site, name string) {
	if m.highest == 0 {
		if _, err := s.Walk(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			r.Fatalf("%s, before anything was logged: %v", name, err)
		}
		return
	}
	var want []string
	for _, n := range m.listed() {
		want = append(want, manifest.Version(n).String())
	}
	for a := range m.alias {
		want = append(want, a)
	}
	if m.latest() != 0 {
		want = append(want, "latest")
	}
	slices.Sort(want)
	list, err := fs.ReadDir(s.FS(), name)
	must(r, err)
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		r.Fatalf("ls: %v, want %v", got, want)
	}
	for n, data := range m.paths {
		b, err := fs.ReadFile(s.FS(), fmt.Sprintf("%s/v%d/x", name, n))
		if err != nil || string(b) != strings.TrimPrefix(data, "d") {
			r.Fatalf("v%d: %q %v, want %s's", n, b, err, data)
		}
	}
	links := maps.Clone(m.alias)
	if m.latest() != 0 {
		links["latest"] = m.latest()
	}
	for a, n := range links {
		target, err := fs.ReadLink(s.FS(), name+"/"+a)
		if err != nil || target != manifest.Version(n).String() {
			r.Fatalf("%s: %q %v, want v%d", a, target, err, n)
		}
		if b, err := fs.ReadFile(s.FS(), ".manifest/"+name+"/"+a); err != nil || string(b) != target {
			r.Fatalf(".manifest/%s: %q %v", a, b, err)
		}
	}
	for _, n := range m.claimed {
		if _, err := s.Walk(ctx, fmt.Sprintf("%s/v%d", name, n)); !errors.Is(err, fs.ErrNotExist) {
			r.Fatalf("v%d has no record: %v", n, err)
		}
		if _, err := s.Walk(ctx, fmt.Sprintf(".manifest/%s/v%d", name, n)); err != nil {
			r.Fatal(err)
		}
	}
}
