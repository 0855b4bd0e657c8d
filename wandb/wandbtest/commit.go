package wandbtest

import (
	"context"
	"maps"
)

type commitArtifactInput struct {
	ArtifactID       id
	ClientMutationID *string
}

// CommitArtifact reads the manifest, checks that all it names is there, and makes the version. A
// commit that is sent again finds the version made.
func (q *root) CommitArtifact(ctx context.Context, args struct{ Input commitArtifactInput }) (*artifactPayload, error) {
	in := args.Input
	if a := lookup[*artifact](q.world(), in.ArtifactID); a != nil && a.state == committed {
		return &artifactPayload{a, in.ClientMutationID}, nil
	}
	a, err := q.pendingArtifact(ctx, in.ArtifactID)
	if err != nil {
		return nil, err
	}
	if err := a.commit(); err != nil {
		return nil, err
	}
	return &artifactPayload{a, in.ClientMutationID}, nil
}

func (a *artifact) commit() error {
	if a.manifest == nil {
		return badRequest("artifact %s has no manifest", a.ID)
	}
	f, err := a.manifest.parse()
	if err != nil {
		return err
	}
	if a.manifest.Type == "INCREMENTAL" {
		if err := a.merge(f); err != nil {
			return err
		}
	}
	entries, err := f.entries()
	if err != nil {
		return err
	}
	if err := a.check(entries); err != nil {
		return err
	}
	a.entries, a.state = entries, committed
	a.FileCount = int64Scalar(len(entries))
	for _, e := range entries {
		a.Size += int64Scalar(e.Size)
	}
	a.seq.add(a)
	a.alias(a.wanted)
	if r := a.creator.run; r != nil {
		r.outputs = append(r.outputs, a)
	}
	return nil
}

// merge lays the entries of an incremental manifest over its base's, and stores the whole as the
// version's manifest. Its digest only covered what is new.
func (a *artifact) merge(f *manifestFile) error {
	base := lookup[*artifact](a.w, a.manifest.base)
	if base == nil {
		base = a.seq.LatestArtifact()
	}
	if base != nil {
		under, err := base.manifest.parse()
		if err != nil {
			return err
		}
		maps.Copy(under.Contents, f.Contents)
		f.Contents = under.Contents
	}
	m, err := a.w.storeManifest(a, f)
	if err != nil {
		return err
	}
	entries, err := f.entries()
	if err != nil {
		return err
	}
	a.manifest, a.Digest = m, digest(a.alg, entries)
	return nil
}

// check refuses a version whose digest is not that of its entries, or whose files are not there.
// That W&B's own server looks at the first is a guess; a client that gets it wrong must not pass here.
func (a *artifact) check(entries []*entry) error {
	if got := digest(a.alg, entries); got != a.Digest {
		return badRequest("artifact %s: digest is %s, and that of the manifest %s", a.ID, a.Digest, got)
	}
	for _, e := range entries {
		if e.Ref == "" && !a.w.srv.store.has(a.entryKey(e)) {
			return badRequest("artifact %s: %s has not been uploaded", a.ID, e.path)
		}
	}
	return nil
}
