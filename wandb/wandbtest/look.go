package wandbtest

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Exec executes a document as the user ada, past faults and counts, and returns its data:
// for what a test wants done behind its client's back.
func (s *Server) Exec(document string, variables map[string]any) (map[string]any, error) {
	// Variables are to be what JSON makes of them, as from a client.
	b, err := json.Marshal(gqlRequest{Query: document, Variables: variables})
	if err != nil {
		return nil, err
	}
	var req gqlRequest
	if err := json.Unmarshal(b, &req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	ada := s.world.users[0]
	s.mu.Unlock()
	res := s.exec(ada, req)
	var data map[string]any
	if res.Data != nil {
		if err := json.Unmarshal(res.Data, &data); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, e := range res.Errors {
		errs = append(errs, errors.New(e.Message))
	}
	return data, errors.Join(errs...)
}

// Stored is a version as the server has it.
type Stored struct {
	ID, State, Digest, Type, Description, Metadata string
	Index                                          int // -1 of one that is not committed
	Aliases                                        []string
	LoggedBy                                       string   // a run; "" if a user logged it
	UsedBy                                         []string // runs
	Entries                                        []Entry
}

// Entry is one of a version's manifest. URI is "" for a stored file.
type Entry struct {
	Name, Digest, URI string
	Size              int64
}

// Versions is all that was ever logged to a sequence, pending and deleted ones too, in the order
// in which they were created.
func (s *Server) Versions(entity, project, name string) []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.expire()
	e := s.world.entity(entity)
	if e == nil || e.project(project) == nil {
		return nil
	}
	seq := e.project(project).collection(name)
	var all []Stored
	for _, a := range s.world.artifacts {
		if a.seq == seq && seq != nil {
			all = append(all, a.stored())
		}
	}
	return all
}

func (a *artifact) stored() Stored {
	v := Stored{ID: string(a.ID), State: a.state, Digest: a.Digest, Type: a.seq.typ.Name, Description: deref(a.Description),
		Metadata: string(deref(a.Metadata)), Index: -1}
	if m := a.member(inCollection{}); m != nil {
		v.Index = m.index
		for _, al := range m.Aliases() {
			v.Aliases = append(v.Aliases, al.Alias)
		}
	}
	if a.creator.run != nil {
		v.LoggedBy = a.creator.run.Name
	}
	for _, u := range a.uses {
		v.UsedBy = append(v.UsedBy, u.run.Name)
	}
	for _, e := range a.entries {
		v.Entries = append(v.Entries, Entry{e.path, e.Digest, e.Ref, e.Size})
	}
	return v
}

// Run is a run as the server has it: State is running until a file stream says that it ended.
type Run struct {
	State    string
	ExitCode int
	JobType  string
	Tags     []string
	Config   string
}

// Run finds a run by name.
func (s *Server) Run(entity, project, name string) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.world.entity(entity); e != nil && e.project(project) != nil {
		if r := e.project(project).run(name); r != nil {
			return Run{deref(r.State), deref(r.exitCode), deref(r.JobType), deref(r.Tags), string(deref(r.config))}, nil
		}
	}
	return Run{}, fmt.Errorf("run %s/%s/%s: not found", entity, project, name)
}
