package wandbtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// collection is a sequence, which versions are logged to, or a portfolio, which they are linked to.
// A registry is a project of portfolios.
type collection struct {
	w           *world
	ID          id
	Name        string
	Description *string
	State       string
	CreatedAt   dateTime
	UpdatedAt   *dateTime

	portfolio bool
	alg       string
	proj      *project
	typ       *artifactType
	tags      []*tag
	aliasRow  []*alias
	members   []*membership
	next      int // index of the next version: numbers are not reused
}

func (w *world) newCollection(p *project, name string, typ *artifactType, portfolio bool) *collection {
	c := &collection{w: w, ID: w.newID("ArtifactCollection"), Name: name, State: "READY", CreatedAt: w.now(),
		portfolio: portfolio, alg: md5Manifest, proj: p, typ: typ}
	p.collections = append(p.collections, c)
	w.nodes[c.ID] = c
	return c
}

func (c *collection) ToArtifactSequence() (*collection, bool)  { return c, !c.portfolio }
func (c *collection) ToArtifactPortfolio() (*collection, bool) { return c, c.portfolio }
func (c *collection) Project() *project                        { return c.proj }
func (c *collection) DefaultArtifactType() *artifactType       { return c.typ }
func (c *collection) DigestAlgorithm() string                  { return c.alg }

// LatestArtifact is the newest version, which need not be the one that is called latest.
func (c *collection) LatestArtifact() *artifact {
	if all := c.committed(); len(all) > 0 {
		return all[len(all)-1].art
	}
	return nil
}

func (c *collection) Tags(args listArgs) (*connection[*tag], error) { return pageOf(c.tags, args) }
func (c *collection) Aliases(args listArgs) (*connection[*alias], error) {
	sorted := slices.SortedFunc(slices.Values(c.aliasRow), func(a, b *alias) int { return strings.Compare(a.Alias, b.Alias) })
	return pageOf(sorted, args)
}

// Artifacts lists every state, unless a filter says which.
func (c *collection) Artifacts(args listArgs) (*connection[*artifact], error) {
	want, err := filter(args.Filters, "state")
	if err != nil {
		return nil, err
	}
	args.Filters = nil
	var all []*edge[*artifact]
	for _, m := range c.members {
		if s, ok := want["state"]; !ok || s == m.art.State() {
			all = append(all, &edge[*artifact]{Node: m.art, Version: fmt.Sprintf("v%d", m.index)})
		}
	}
	if strings.HasPrefix(deref(args.Order), "-") {
		slices.Reverse(all)
	}
	return page(all, args)
}

func (c *collection) ArtifactMembership(args struct{ AliasName string }) *membership {
	return c.membership(args.AliasName)
}

func (c *collection) ArtifactMemberships(args listArgs) (*connection[*membership], error) {
	return pageOf(c.committed(), args)
}

// committed are the members that are there, oldest first.
func (c *collection) committed() []*membership {
	var all []*membership
	for _, m := range c.members {
		if m.art.state == committed {
			all = append(all, m)
		}
	}
	return all
}

// membership resolves an alias, a vN, a commit hash or a digest.
func (c *collection) membership(name string) *membership {
	for _, a := range c.aliasRow {
		if a.Alias == name {
			return a.member
		}
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "v"))
	isVersion := err == nil && strings.HasPrefix(name, "v")
	for _, m := range c.committed() {
		if isVersion && m.index == n || name == m.hash() || name == m.art.Digest {
			return m
		}
	}
	return nil
}

// add makes a the next version of c, or finds the version that it is already.
func (c *collection) add(a *artifact) *membership {
	for _, m := range c.members {
		if m.art == a {
			return m
		}
	}
	m := &membership{ID: c.w.newID("ArtifactCollectionMembership"), CreatedAt: c.w.now(), coll: c, art: a, index: c.next}
	c.next++
	c.members = append(c.members, m)
	a.members = append(a.members, m)
	return m
}

// point moves an alias to m, or makes it.
func (c *collection) point(name string, m *membership) {
	for _, a := range c.aliasRow {
		if a.Alias == name {
			a.member = m
			return
		}
	}
	c.aliasRow = append(c.aliasRow, &alias{Alias: name, member: m})
}

// unpoint takes an alias away from m.
func (c *collection) unpoint(name string, m *membership) {
	c.aliasRow = slices.DeleteFunc(c.aliasRow, func(a *alias) bool { return a.Alias == name && a.member == m })
}

// pageCollections is a page of all, of the collections that the filters let through.
func pageCollections(all []*collection, args listArgs) (*connection[*collection], error) {
	want, err := filter(args.Filters, "name", "state")
	if err != nil {
		return nil, err
	}
	args.Filters = nil
	all = slices.DeleteFunc(slices.Clone(all), func(c *collection) bool {
		name, named := want["name"]
		state, stated := want["state"]
		typed := args.CollectionTypes == nil || slices.Contains(*args.CollectionTypes, map[bool]string{false: "SEQUENCE", true: "PORTFOLIO"}[c.portfolio])
		return named && name != c.Name || stated && state != c.State || !typed
	})
	return pageOf(all, args)
}

// membership is a version of a collection: an artifact is one of its sequence, and of each
// portfolio that it is linked to, with an index in each.
type membership struct {
	ID        id
	CreatedAt dateTime
	coll      *collection
	art       *artifact
	index     int
}

func (m *membership) VersionIndex() *int32            { return ptr(int32(m.index)) }
func (m *membership) CommitHash() *string             { return ptr(m.hash()) }
func (m *membership) Artifact() *artifact             { return m.art }
func (m *membership) ArtifactCollection() *collection { return m.coll }

func (m *membership) hash() string { return m.art.hash() }

func (m *membership) Aliases() []*alias {
	all := []*alias{}
	for _, a := range m.coll.aliasRow {
		if a.member == m {
			all = append(all, a)
		}
	}
	return all
}

// Files lists references too: the SDK downloads what is in this list and nothing else.
func (m *membership) Files(args listArgs) (*fileConnection, error) { return m.art.Files(args) }

type alias struct {
	Alias  string
	member *membership
}

func (a *alias) ID() id                          { return nodeID("ArtifactAlias", string(a.member.coll.ID)+":"+a.Alias) }
func (a *alias) ArtifactCollectionName() string  { return a.member.coll.Name }
func (a *alias) Artifact() *artifact             { return a.member.art }
func (a *alias) ArtifactCollection() *collection { return a.member.coll }

type tag struct{ Name string }

func (t *tag) ID() id { return nodeID("Tag", t.Name) }
