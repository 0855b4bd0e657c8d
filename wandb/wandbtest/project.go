package wandbtest

import "strings"

type project struct {
	w           *world
	ID          id
	InternalID  id
	Name        string
	ReadOnly    *bool
	CreatedAt   dateTime
	UpdatedAt   *dateTime
	Description *string
	Access      *string
	Views       *jsonString
	IsBenchmark bool

	AllowAllArtifactTypesInRegistry bool

	number      int
	ent         *entity
	runs        []*run
	types       []*artifactType
	collections []*collection
}

// newProject is what upsertBucket and upsertModel make when there is none of the name.
func (w *world) newProject(e *entity, name string) *project {
	p := &project{w: w, ID: w.newID("Project"), Name: name, CreatedAt: w.now(), ent: e,
		AllowAllArtifactTypesInRegistry: true, ReadOnly: ptr(false)}
	p.number = w.number()
	p.InternalID = nodeID("ProjectInternalId", p.number)
	e.projects = append(e.projects, p)
	w.nodes[p.ID] = p
	return p
}

func (p *project) Entity() *entity { return p.ent }

func (p *project) EntityName() string { return p.ent.Name }

func (p *project) User() *user { return p.ent.owner }

// run finds by name, or by id.
func (p *project) run(name string) *run {
	for _, r := range p.runs {
		if r.Name == name || string(r.ID) == name {
			return r
		}
	}
	return nil
}

func (p *project) Run(args struct {
	Name string
	Desc *string
}) *run {
	return p.run(args.Name)
}

func (p *project) Bucket(args struct {
	Name      string
	MissingOk *bool
}) (*run, error) {
	r := p.run(args.Name)
	if r == nil && !deref(args.MissingOk) {
		return nil, notFound("run %s not found", args.Name)
	}
	return r, nil
}

func (p *project) Runs(args listArgs) (*connection[*run], error) { return pageOf(p.runs, args) }

func (p *project) RunCount(struct{ Filters *jsonString }) *int32 { return ptr(int32(len(p.runs))) }

// Artifact is the old way to a version, which the SDK still takes to learn a collection's type.
func (p *project) Artifact(args struct {
	Name           string
	EnableTracking *bool
}) *artifact {
	if m, err := p.membership(args.Name, ""); err == nil && m != nil {
		return m.art
	}
	return nil
}

func (p *project) ArtifactType(args struct{ Name string }) *artifactType {
	return p.artifactType(args.Name)
}

func (p *project) ArtifactTypes(args struct{ listArgs }) (*connection[*artifactType], error) {
	return pageOf(p.types, args.listArgs)
}

func (p *project) ArtifactCollection(args struct{ Name string }) *collection {
	return p.collection(args.Name)
}

func (p *project) ArtifactCollections(args listArgs) (*connection[*collection], error) {
	return pageCollections(p.ready(""), args)
}

func (p *project) ArtifactCollectionMembership(args struct{ Name string }) (*membership, error) {
	return p.membership(args.Name, "")
}

// membership resolves NAME:ALIAS, NAME:vN and NAME:DIGEST. A name alone is an error; nothing there is nil.
func (p *project) membership(name, typ string) (*membership, error) {
	coll, alias, ok := strings.Cut(name, ":")
	if !ok {
		return nil, &statusError{status: 200, text: "invalid artifact name: expected 'name:alias'"}
	}
	c := p.collection(coll)
	if c == nil || typ != "" && c.typ.Name != typ {
		return nil, nil
	}
	return c.membership(alias), nil
}

// collection finds by name, without regard to case.
func (p *project) collection(name string) *collection {
	for _, c := range p.ready("") {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// ready are the collections that have not been deleted, of a type or of all.
func (p *project) ready(typ string) []*collection {
	all := []*collection{}
	for _, c := range p.collections {
		if c.State == "READY" && (typ == "" || c.typ.Name == typ) {
			all = append(all, c)
		}
	}
	return all
}

func (p *project) artifactType(name string) *artifactType {
	for _, t := range p.types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

func (p *project) needType(name string) *artifactType {
	t := p.artifactType(name)
	if t == nil {
		t = &artifactType{ID: p.w.newID("ArtifactType"), Name: name, CreatedAt: p.w.now(), proj: p}
		p.types = append(p.types, t)
	}
	return t
}

type artifactType struct {
	ID          id
	Name        string
	Description *string
	CreatedAt   dateTime
	proj        *project
}

func (t *artifactType) Project() *project { return t.proj }

func (t *artifactType) Artifact(args struct{ Name string }) *artifact {
	if m, err := t.proj.membership(args.Name, t.Name); err == nil && m != nil {
		return m.art
	}
	return nil
}

func (t *artifactType) ArtifactCollection(args struct{ Name string }) *collection {
	if c := t.proj.collection(args.Name); c != nil && c.typ == t {
		return c
	}
	return nil
}

func (t *artifactType) ArtifactCollections(args listArgs) (*connection[*collection], error) {
	return pageCollections(t.proj.ready(t.Name), args)
}
