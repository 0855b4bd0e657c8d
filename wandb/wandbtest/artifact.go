package wandbtest

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
)

const (
	pending   = "PENDING"
	committed = "COMMITTED"
	deleted   = "DELETED"

	md5Manifest = "MANIFEST_MD5"
	xxhManifest = "MANIFEST_XXH128"
)

type artifact struct {
	w                  *world
	ID                 id
	Digest             string
	Description        *string
	Metadata           *jsonString
	Size               int64Scalar
	FileCount          int64Scalar
	CreatedAt          dateTime
	UpdatedAt          *dateTime
	HistoryStep        *int64Scalar
	TTLDurationSeconds int64Scalar
	TTLIsInherited     bool
	Tags               []*tag

	state    string
	alg      string
	wanted   []aliasInput // aliases that the commit sets
	seq      *collection
	creator  *initiator
	uses     []*use
	members  []*membership
	manifest *manifest
	entries  []*entry // in order of their paths, once committed
}

// State is what clients see. Servers of old call DELETED what is not committed yet.
func (a *artifact) State() string {
	if a.state == pending && a.w.srv.features().old() {
		return deleted
	}
	return a.state
}

func (a *artifact) DigestAlgorithm() *string      { return &a.alg }
func (a *artifact) StorageBytes() int64Scalar     { return a.Size }
func (a *artifact) UsedCount() int32              { return int32(len(a.uses)) }
func (a *artifact) ArtifactType() *artifactType   { return a.seq.typ }
func (a *artifact) ArtifactSequence() *collection { return a.seq }
func (a *artifact) CreatedBy() *initiator         { return a.creator }

type inCollection struct{ ArtifactCollectionName *string }

// member is a's membership in the named collection, or in its sequence; nil before the commit.
func (a *artifact) member(args inCollection) *membership {
	for _, m := range a.members {
		if args.ArtifactCollectionName == nil && m.coll == a.seq || args.ArtifactCollectionName != nil && *args.ArtifactCollectionName == m.coll.Name {
			return m
		}
	}
	return nil
}

// VersionIndex is null before the commit. Whether W&B's own server has one by then is not known.
func (a *artifact) VersionIndex(args inCollection) *int32 {
	if m := a.member(args); m != nil {
		return m.VersionIndex()
	}
	return nil
}

func (a *artifact) CommitHash(args inCollection) *string {
	if m := a.member(args); m != nil {
		return m.CommitHash()
	}
	return nil
}

func (a *artifact) hash() string {
	sum := sha1.Sum([]byte(a.ID))
	return hex.EncodeToString(sum[:10])
}

// Aliases are those of every collection that a is in.
func (a *artifact) Aliases(args inCollection) []*alias {
	all := []*alias{}
	for _, m := range a.members {
		if args.ArtifactCollectionName == nil || *args.ArtifactCollectionName == m.coll.Name {
			all = append(all, m.Aliases()...)
		}
	}
	return all
}

func (a *artifact) ArtifactMemberships() (*connection[*membership], error) {
	return pageOf(a.members, listArgs{})
}

func (a *artifact) UsedBy(args listArgs) (*connection[*run], error) {
	var runs []*run
	for _, u := range a.uses {
		runs = append(runs, u.run)
	}
	return pageOf(runs, args)
}

func (a *artifact) CurrentManifest() *manifest { return a.manifest }

func (a *artifact) Files(args listArgs) (*fileConnection, error) {
	var all []*entry
	for _, e := range a.entries {
		if args.Names == nil || len(*args.Names) == 0 || slices.Contains(*args.Names, e.path) {
			all = append(all, e)
		}
	}
	return a.filePage(all, args)
}

// FilesByManifestEntries takes the entries as the client read them in a manifest.
func (a *artifact) FilesByManifestEntries(args struct {
	StorageLayout, ManifestVersion string
	Entries                        *[]manifestEntryInput
	StorageRegion                  *string
}) (*fileConnection, error) {
	if args.ManifestVersion != "1" {
		return nil, badRequest("manifest version %q is not known", args.ManifestVersion)
	}
	var all []*entry
	for _, in := range deref(args.Entries) {
		i, found := slices.BinarySearchFunc(a.entries, in.Name, func(e *entry, name string) int { return compare(e.path, name) })
		if !found || a.entries[i].Digest != in.Digest {
			return nil, notFound("artifact %s has no entry %s with digest %s", a.ID, in.Name, in.Digest)
		}
		all = append(all, a.entries[i])
	}
	return a.filePage(all, listArgs{})
}

type manifestEntryInput struct {
	Name, Digest         string
	BirthArtifactID, Ref *string
	Size                 *int64Scalar
}
