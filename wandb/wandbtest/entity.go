package wandbtest

import "strings"

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

func (e *entity) User() *user { return e.owner }

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
