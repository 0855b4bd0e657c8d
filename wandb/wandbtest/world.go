package wandbtest

import (
	"strings"
	"time"
)

// world is what the server knows. The names of its types' exported fields and methods are
// the schema's: the executor finds them by reflection and refuses to start if one is missing.
// All of it is only touched with Server.mu held.
type world struct {
	srv       *Server
	next      int
	users     []*user
	orgs      []*organization
	entities  []*entity
	nodes     map[id]any // by id
	clients   map[id]id  // client ids to ids
	blobs     map[string]*blob
	artifacts []*artifact
}

func newWorld(srv *Server) *world {
	w := &world{srv: srv, next: 1000, nodes: map[id]any{}, clients: map[id]id{}, blobs: map[string]*blob{}}
	org := &organization{ID: nodeID("Organization", 3), Name: "acme"}
	org.home = &entity{w: w, ID: nodeID("Entity", 3), Name: "acme-org", IsTeam: true, org: org}
	team := &entity{w: w, ID: nodeID("Entity", 2), Name: "team", IsTeam: true, org: org}
	w.orgs, w.entities = []*organization{org}, []*entity{team, org.home}
	w.addUser("ada", "team", srv.Key)
	return w
}

// addUser makes a user with an entity of its own, who is also in the named team.
func (w *world) addUser(name, team, key string) *user {
	n := len(w.users) + 1
	u := &user{w: w, ID: nodeID("User", n), Name: strings.ToUpper(name[:1]) + name[1:], Username: &name,
		Email: ptr(name + "@example.com"), Flags: ptr(jsonString("{}")), Admin: ptr(false), key: key}
	u.home = &entity{w: w, ID: nodeID("Entity", 100+n), Name: name, owner: u}
	w.entities = append(w.entities, u.home)
	u.teams = []*entity{}
	if t := w.entity(team); t != nil {
		u.teams = append(u.teams, t)
	}
	w.users = append(w.users, u)
	return u
}

// keyed is the user of a key, or nil.
func (w *world) keyed(key string) *user {
	for _, u := range w.users {
		if u.key == key {
			return u
		}
	}
	return nil
}

// number is the next one of the server's: ids count up.
func (w *world) number() int {
	w.next++
	return w.next
}

// newID is the id of a new node.
func (w *world) newID(kind string) id { return nodeID(kind, w.number()) }

func (w *world) now() dateTime { return dateTime{w.srv.now().Truncate(time.Second)} }

// entity finds by name, without regard to case.
func (w *world) entity(name string) *entity {
	for _, e := range w.entities {
		if strings.EqualFold(e.Name, name) {
			return e
		}
	}
	return nil
}

// expire deletes the versions whose time has come.
func (w *world) expire() {
	for _, a := range w.artifacts {
		ttl := time.Duration(a.TTLDurationSeconds) * time.Second
		if a.state == committed && ttl > 0 && w.srv.now().After(a.CreatedAt.Add(ttl)) {
			a.delete()
		}
	}
}

// lookup is the node of an id, if it is a T.
func lookup[T any](w *world, i id) T {
	t, _ := w.nodes[i].(T)
	return t
}

type user struct {
	w         *world
	ID        id
	Name      string
	Username  *string
	Email     *string
	Flags     *jsonString
	Admin     *bool
	DeletedAt *dateTime

	key   string
	home  *entity
	teams []*entity
}

// sees reports whether u may read what is below e.
func (u *user) sees(e *entity) bool {
	if e == u.home {
		return true
	}
	for _, t := range u.teams {
		if e == t || t.org != nil && e == t.org.home {
			return true
		}
	}
	return false
}

// Entity is the one that takes what is logged without naming one.
func (u *user) Entity() *string {
	if len(u.teams) > 0 {
		return &u.teams[0].Name
	}
	return &u.home.Name
}

func (u *user) ApiKeys(args listArgs) (*connection[*apiKey], error) {
	return pageOf([]*apiKey{{ID: nodeID("ApiKey", 1), Name: "k"}}, args)
}

func (u *user) Organizations() []*organization {
	orgs := []*organization{}
	for _, t := range u.teams {
		if t.org != nil {
			orgs = append(orgs, t.org)
		}
	}
	return orgs
}

func (u *user) Teams(args listArgs) (*connection[*entity], error) { return pageOf(u.teams, args) }

type apiKey struct {
	ID          id
	Name        string
	Description *string
}

type organization struct {
	ID                      id
	Name                    string
	CoreWeaveOrganizationID *string
	home                    *entity
}

// OrgEntity holds the organization's registries: projects named wandb-registry-NAME.
func (o *organization) OrgEntity() *entity { return o.home }

func (o *organization) registries() *entity {
	if o == nil {
		return nil
	}
	return o.home
}

func (o *organization) FeatureFlags(struct{ RampIDType *string }) *[]*featureFlag {
	return &[]*featureFlag{}
}

type featureFlag struct {
	RampKey   string
	IsEnabled bool
}

type entity struct {
	w      *world
	ID     id
	Name   string
	IsTeam bool

	owner    *user
	org      *organization
	projects []*project
}

func (e *entity) EntityType() *string {
	if e.IsTeam {
		return ptr("team")
	}
	return ptr("user")
}

func (e *entity) User() *user                 { return e.owner }
func (e *entity) Organization() *organization { return e.org }

func (e *entity) XxhashDigestsEnabled() *bool { return ptr(e.w.srv.features().has(digestAlgorithm)) }

// project finds by name, without regard to case.
func (e *entity) project(name string) *project {
	for _, p := range e.projects {
		if strings.EqualFold(p.Name, name) {
			return p
		}
	}
	return nil
}

func (e *entity) Project(args struct{ Name *string }) *project { return e.project(deref(args.Name)) }

func (e *entity) Projects(args listArgs) (*connection[*project], error) {
	return pageOf(e.projects, args)
}

func (e *entity) ArtifactCollections(args listArgs) (*connection[*collection], error) {
	var all []*collection
	for _, p := range e.projects {
		all = append(all, p.ready("")...)
	}
	return pageCollections(all, args)
}

func (e *entity) ArtifactMemberships(args listArgs) (*connection[*membership], error) {
	var all []*membership
	for _, p := range e.projects {
		for _, c := range p.ready("") {
			all = append(all, c.committed()...)
		}
	}
	return pageOf(all, args)
}
