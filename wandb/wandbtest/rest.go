package wandbtest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// serveREST answers what is not GraphQL.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request, segments []string) {
	u := s.authenticate(r)
	if u == nil {
		denied(w)
		return
	}
	switch {
	case r.Method == http.MethodPost && len(segments) == 5 && segments[0] == "files" && segments[4] == "file_stream":
		s.fileStream(w, r, u, segments[1], segments[2], segments[3])
	case r.Method == http.MethodGet && segments[0] == "artifactsV2":
		s.redirect(w, r, s.keyV2(u, segments[1:]))
	case r.Method == http.MethodGet && segments[0] == "artifacts" && len(segments) == 3:
		s.redirect(w, r, s.keyV1(u, segments[1], segments[2]))
	default:
		http.NotFound(w, r)
	}
}

type fileStream struct {
	Files map[string]struct {
		Offset  int      `json:"offset"`
		Content []string `json:"content"`
	} `json:"files"`
	Complete bool `json:"complete"`
	ExitCode *int `json:"exitcode"`
}

// fileStream takes a run's heartbeats. Any of them makes it a running one, until one says that it
// is complete.
func (s *Server) fileStream(w http.ResponseWriter, r *http.Request, u *user, entity, project, name string) {
	var in fileStream
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	if !s.stream(u, entity, project, name, in) {
		answer(w, http.StatusNotFound, map[string]string{"error": "run not found"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"exitcode": nil, "limits": map[string]any{}})
}

func (s *Server) stream(u *user, entity, project, name string, in fileStream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.stop()()
	e := s.world.entity(entity)
	if e == nil || !u.sees(e) || e.project(project) == nil || e.project(project).run(name) == nil {
		return false
	}
	s.write(u, deed{Stream: &streamed{entity, project, name, in}})
	r := e.project(project).run(name)
	r.HeartbeatAt, r.State = ptr(s.world.now()), ptr("running")
	if h, ok := in.Files["wandb-history.jsonl"]; ok {
		r.HistoryLineCount = ptr(int32(h.Offset + len(h.Content)))
	}
	if in.Complete {
		r.exitCode, r.State = in.ExitCode, ptr("finished")
		if deref(in.ExitCode) != 0 {
			r.State = ptr("failed")
		}
	}
	return true
}

// keyV2 finds the blob of REGION/ENTITY/[PROJECT/COLLECTION/[ARTIFACT]]/BIRTH/HEX[/BASENAME]: what
// is in brackets is left out for servers that do not have the feature for it.
func (s *Server) keyV2(u *user, segments []string) string {
	n := len(segments)
	named := n == 7 || n == 8
	if !named && n != 4 {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.world.entity(segments[1])
	if e == nil || !u.sees(e) {
		return ""
	}
	if named {
		if p := e.project(segments[2]); p == nil || p.collection(segments[3]) == nil {
			return ""
		}
		segments = segments[:n-1]
	}
	birth := lookup[*artifact](s.world, id(segments[len(segments)-2]))
	if birth == nil {
		return ""
	}
	return birth.seq.blobKey(segments[len(segments)-1])
}

// keyV1 finds the blob of ENTITY/HEX, in any sequence of the entity.
func (s *Server) keyV1(u *user, entity, hex string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.world.entity(entity)
	if e == nil || !u.sees(e) {
		return ""
	}
	for _, p := range e.projects {
		for _, c := range p.collections {
			if key := c.blobKey(strings.ToLower(hex)); s.store.has(key) {
				return key
			}
		}
	}
	return ""
}

func (s *Server) redirect(w http.ResponseWriter, r *http.Request, key string) {
	if key == "" || !s.store.has(key) {
		answer(w, http.StatusNotFound, map[string]string{"error": "file not found"})
		return
	}
	http.Redirect(w, r, s.signed(http.MethodGet, key, nil), http.StatusTemporaryRedirect)
}
