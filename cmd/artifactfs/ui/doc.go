// Package ui is the page that `artifactfs ui` serves: artifacts, their versions, fields,
// lineage and the state of stores and mounts, to look at in a browser. It only reads, and
// knows the store by what Store gives it.
//
// The page is in web, bundled into dist by `make ui`, and in the binary by go:embed: the
// browser asks nobody but this server.
package ui

import (
	"context"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// Store is what the page shows. Its methods are called concurrently. An error that wraps
// fs.ErrNotExist, fs.ErrInvalid or fs.ErrPermission is the asker's, any other the store's.
type Store interface {
	// Artifacts calls found with every artifact, in no order and one at a time.
	Artifacts(ctx context.Context, found func(Artifact)) error
	// Versions returns at most count versions of an artifact that are numbered below
	// before, the newest first.
	Versions(ctx context.Context, name string, before, count int) (*Versions, error)
	// Version returns all that is known of one version.
	Version(ctx context.Context, ref manifest.Ref) (*Version, error)
	// Lineage returns the graph around a version.
	Lineage(ctx context.Context, ref manifest.Ref, o resolver.LineageOptions) (*resolver.Lineage, error)
	// Status returns what `artifactfs status --json` prints.
	Status(ctx context.Context) (any, error)
}

// Artifact is one line of the list.
type Artifact struct {
	Name     string   `json:"name"`
	Latest   string   `json:"latest,omitempty"`
	Versions int      `json:"versions"`
	Aliases  []string `json:"aliases,omitempty"` // all but latest
	Warning  string   `json:"warning,omitempty"`
}

// Versions are an artifact's, or some of them.
type Versions struct {
	Name     string        `json:"name"`
	Total    int           `json:"total"`
	Versions []VersionLine `json:"versions"`
	Foreign  []VersionLine `json:"foreign,omitempty"` // aliases of what only the other backend numbers
	Below    []string      `json:"below,omitempty"`   // full names that nest below this one
	Warning  string        `json:"warning,omitempty"`
	Next     int           `json:"next,omitempty"` // the number to ask for those before; 0: there are none
}

// VersionLine is one version in a list. Unread is why its record cannot be read.
type VersionLine struct {
	Version  string   `json:"version"`
	In       string   `json:"in,omitempty"` // the backend whose number it is, if that is not the tree's
	Aliases  []string `json:"aliases,omitempty"`
	Retired  bool     `json:"retired,omitempty"`
	Type     string   `json:"type,omitempty"`
	Created  string   `json:"created_at,omitempty"`
	Producer string   `json:"producer,omitempty"`
	Unread   string   `json:"unread,omitempty"`
}

// Version is one version with all that it has.
type Version struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	In       string   `json:"in,omitempty"` // the backend whose number it is, if that is not the tree's
	Aliases  []string `json:"aliases,omitempty"`
	Retired  bool     `json:"retired,omitempty"`
	Type     string   `json:"type"`
	Created  string   `json:"created_at"`
	Producer string   `json:"producer"`
	Job      string   `json:"job,omitempty"`     // that logged it, if it was one
	Path     string   `json:"path"`              // as recorded
	Data     string   `json:"data,omitempty"`    // where it is read, if that is elsewhere
	Missing  string   `json:"missing,omitempty"` // why it cannot be read
	Record   string   `json:"manifest"`          // where the record lies
	Inputs   []string `json:"inputs,omitempty"`
	Used     []string `json:"used_artifacts,omitempty"`
	Fields   []Field  `json:"fields"`
	Warnings []string `json:"warnings,omitempty"`
}

// Field is one of a record's. Its value is text already: numbers of a record may be larger
// than a browser's, and NaN is none of its JSON's.
type Field struct {
	Key  string `json:"key"`
	Text string `json:"text"`
	JSON bool   `json:"json,omitempty"` // it has parts, and Text is JSON
	Cut  int    `json:"cut,omitempty"`  // bytes that are left out of Text
}
