package wandbtest

import "context"

// root resolves Query and Mutation for one user, who is in the context.
type root struct{ srv *Server }

type userKey struct{}

func (q *root) user(ctx context.Context) *user {
	u, _ := ctx.Value(userKey{}).(*user)
	return u
}

func (q *root) world() *world { return q.srv.world }

func (q *root) Viewer(ctx context.Context, _ struct{ EntityName *string }) *user { return q.user(ctx) }

func (q *root) ServerInfo() *serverInfo { return &serverInfo{q.srv.features()} }

// entity is one that the user may see: nothing there and not allowed look the same.
func (q *root) entity(ctx context.Context, name string) *entity {
	if name == "" {
		name = deref(q.user(ctx).Entity())
	}
	if e := q.world().entity(name); e != nil && q.user(ctx).sees(e) {
		return e
	}
	return nil
}

func (q *root) project(ctx context.Context, entity, name string) *project {
	if e := q.entity(ctx, entity); e != nil {
		return e.project(name)
	}
	return nil
}

type projectArgs struct{ Name, EntityName *string }

func (q *root) Project(ctx context.Context, args projectArgs) *project {
	return q.project(ctx, deref(args.EntityName), deref(args.Name))
}

func (q *root) Model(ctx context.Context, args projectArgs) *project { return q.Project(ctx, args) }

func (q *root) Models(ctx context.Context, args struct {
	EntityName *string
	listArgs
}) (*connection[*project], error) {
	if e := q.entity(ctx, deref(args.EntityName)); e != nil {
		return e.Projects(args.listArgs)
	}
	return nil, nil
}

func (q *root) Artifact(ctx context.Context, args struct{ ID id }) *artifact {
	a := lookup[*artifact](q.world(), args.ID)
	if a == nil || !q.sees(ctx, a) {
		return nil
	}
	return a
}

// sees reports whether the user may read a, in any of its collections.
func (q *root) sees(ctx context.Context, a *artifact) bool {
	if q.user(ctx).sees(a.seq.proj.ent) {
		return true
	}
	for _, m := range a.members {
		if q.user(ctx).sees(m.coll.proj.ent) {
			return true
		}
	}
	return false
}

func (q *root) ArtifactCollection(ctx context.Context, args struct{ ID id }) *collection {
	c := lookup[*collection](q.world(), args.ID)
	if c == nil || !q.user(ctx).sees(c.proj.ent) {
		return nil
	}
	return c
}

func (q *root) ClientIDMapping(args struct{ ClientID id }) *clientIDMapping {
	if n, ok := q.world().clients[args.ClientID]; ok {
		return &clientIDMapping{args.ClientID, n}
	}
	return nil
}

type clientIDMapping struct{ ClientID, ServerID id }

func (q *root) Entity(ctx context.Context, args struct{ Name *string }) *entity {
	return q.entity(ctx, deref(args.Name))
}

func (q *root) Organization(args struct{ Name string }) *organization {
	for _, o := range q.world().orgs {
		if o.Name == args.Name {
			return o
		}
	}
	return nil
}

type serverInfo struct{ features featureSet }

func (serverInfo) CliVersionInfo() jsonValue {
	return jsonValue{map[string]any{"max_cli_version": "99.0.0"}}
}

func (serverInfo) LatestLocalVersionInfo() *localVersionInfo { return nil }

func (i serverInfo) Features() *[]*serverFeature {
	all := []*serverFeature{}
	for _, name := range i.features {
		all = append(all, &serverFeature{name, true})
	}
	return &all
}

type serverFeature struct {
	Name      string
	IsEnabled bool
}

type localVersionInfo struct {
	OutOfDate                                        bool
	LatestVersionString, VersionOnThisInstanceString string
}
