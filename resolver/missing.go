package resolver

import (
	"cmp"
	"slices"
	"sync"
)

// Missing is a version whose data was not where its record says.
type Missing struct {
	Name      string `json:"name"`
	Version   int    `json:"version"`
	Path      string `json:"path"`
	Producer  string `json:"producer,omitempty"`
	CreatedAt string `json:"created_at,omitempty"`
}

// missing remembers, up to a bound, the versions that were found missing.
type missing struct {
	mu   sync.Mutex // guards list
	list map[string]Missing
}

func (m *missing) add(v Missing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list == nil {
		m.list = make(map[string]Missing)
	}
	if len(m.list) < 1024 {
		m.list[(&Version{Name: v.Name, N: v.Version}).key()] = v
	}
}

func (m *missing) remove(v *Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.list, v.key())
}

// Missing lists the versions whose data was not there when it was last needed.
func (t *Tree) Missing() []Missing {
	t.lost.mu.Lock()
	defer t.lost.mu.Unlock()
	list := make([]Missing, 0, len(t.lost.list))
	for _, m := range t.lost.list {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b Missing) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return list
}
