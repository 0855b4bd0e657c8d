package wandbtest

import "strings"

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
