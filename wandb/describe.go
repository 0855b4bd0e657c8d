package wandb

import (
	"context"
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// Describe returns what W&B knows of a version, for people and programs to read.
func (s *Source) Describe(ctx context.Context, name string, version int) (manifest.Object, error) {
	l, err := s.listing(ctx, name)
	if err != nil {
		return nil, err
	}
	id, ok := l.ids[version]
	if !ok {
		return nil, s.noVersion(name, version)
	}
	v, err := s.version(ctx, name, version, l.at, id)
	if err != nil {
		return nil, err
	}
	names := []string{}
	if l.Latest == version {
		names = append(names, manifest.Latest)
	}
	for alias, n := range l.Aliases {
		if n == version {
			names = append(names, alias)
		}
	}
	slices.Sort(names)
	o := manifest.Object{
		{Key: "entity", Value: l.at.entity},
		{Key: "project", Value: l.at.project},
		{Key: "name", Value: l.at.name},
		{Key: "version", Value: manifest.Version(version).String()},
		{Key: "type", Value: v.ArtifactType.Name},
		{Key: "id", Value: v.Id},
		{Key: "digest", Value: v.Digest},
		{Key: "state", Value: string(v.State)},
		{Key: "aliases", Value: names},
		{Key: "description", Value: v.Description},
		{Key: "metadata", Value: metadata(v)},
		{Key: "size", Value: int(v.Size)},
		{Key: "file_count", Value: int(v.FileCount)},
		{Key: "created_at", Value: v.CreatedAt},
		{Key: "created_by", Value: createdBy(v)},
		{Key: "url", Value: s.c.webURL(l.at, v.ArtifactType.Name, version)},
	}
	// A link is to a version that lies elsewhere.
	if seq := v.ArtifactSequence; seq.Project != nil && v.VersionIndex != nil {
		source := seq.Project.Entity.Name + "/" + seq.Project.Name + "/" + seq.Name + ":" + manifest.Version(*v.VersionIndex).String()
		if source != l.at.String()+":"+manifest.Version(version).String() {
			o.Set("source", source)
		}
	}
	return o, nil
}

// createdBy is the run, as ENTITY/PROJECT/RUN, or else the user.
func createdBy(v *gql.Version) manifest.Object {
	switch by := v.CreatedBy.(type) {
	case *gql.VersionCreatedByRun:
		run := by.Name
		if by.Project != nil {
			run = by.Project.Entity.Name + "/" + by.Project.Name + "/" + run
		}
		return manifest.Object{{Key: "run", Value: run}}
	case *gql.VersionCreatedByUser:
		return manifest.Object{{Key: "user", Value: by.Username}}
	}
	return manifest.Object{}
}

// Within reports whether an artifact, ENTITY/PROJECT/NAME, is one of the configured
// project's. While the server has not said what the key's own entity is, any is taken
// for that.
func (s *Source) Within(artifact string) bool {
	parts := strings.Split(artifact, "/")
	if len(parts) != 3 || parts[1] != s.c.Project() {
		return false
	}
	entity := s.c.known()
	return entity == "" || parts[0] == entity
}
