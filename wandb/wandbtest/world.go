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
