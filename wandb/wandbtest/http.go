package wandbtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/graph-gophers/graphql-go"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// ServeHTTP counts the request, lets it meet its fault, and serves it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.RLock()
	defer s.busy.RUnlock()
	if strings.HasPrefix(r.URL.Path, storagePrefix) {
		s.run(w, r, []string{strings.ToLower(r.Method), "*"}, func(w http.ResponseWriter, corrupt bool) { s.serveBlob(w, r, corrupt) })
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), s.path)
	if !ok || !strings.HasPrefix(path, "/") {
		http.NotFound(w, r)
		return
	}
	if what, ok := strings.CutPrefix(path, AdminPath+"/"); ok && s.orders && r.Method == http.MethodPost {
		s.admin(w, r, what)
		return
	}
	s.setHeaders(w)
	if path == "/graphql" && r.Method == http.MethodPost {
		s.serveGraphQL(w, r)
		return
	}
	segments := strings.Split(path[1:], "/")
	for i := range segments {
		segments[i], _ = url.PathUnescape(segments[i])
	}
	op := segments[0]
	if op == "files" {
		op = segments[len(segments)-1]
	}
	s.run(w, r, []string{strings.ToLower(op), "*"}, func(w http.ResponseWriter, _ bool) { s.serveREST(w, r, segments) })
}

func (s *Server) setHeaders(w http.ResponseWriter) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for k, v := range s.faults.header {
		w.Header().Set(k, v)
	}
}

// run serves a request that has these names.
func (s *Server) run(w http.ResponseWriter, r *http.Request, ops []string, serve func(w http.ResponseWriter, corrupt bool)) {
	f, header := s.faults.take(ops)
	for k, v := range header {
		w.Header().Set(k, v)
	}
	if f != nil {
		s.meet(f, w, r, serve)
		return
	}
	serve(w, false)
}

type gqlRequest struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"` // "" is what the SDK sends for none
	Variables     map[string]any `json:"variables"`
}

func (s *Server) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var req gqlRequest
	if err := json.Unmarshal(body, &req); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"errors": []any{map[string]any{"message": err.Error()}}})
		return
	}
	s.run(w, r, req.names(), func(w http.ResponseWriter, _ bool) {
		u := s.authenticate(r)
		if u == nil {
			denied(w)
			return
		}
		s.answerGraphQL(w, s.exec(u, req))
	})
}

// operation is the one that the request asks for, or nil if the executor will refuse it.
func (req gqlRequest) operation() *ast.OperationDefinition {
	doc, err := parser.ParseQuery(&ast.Source{Input: req.Query})
	if err != nil {
		return nil
	}
	return doc.Operations.ForName(req.OperationName)
}

// names are what faults and counts know the request by: its fields, and its document's name.
func (req gqlRequest) names() []string {
	op := req.operation()
	if op == nil {
		return []string{"*"}
	}
	names := []string{"*"}
	if op.Name != "" {
		names = append(names, strings.ToLower(op.Name))
	}
	for _, sel := range op.SelectionSet {
		f, ok := sel.(*ast.Field)
		if ok && !slices.Contains(names, strings.ToLower(f.Name)) {
			names = append(names, strings.ToLower(f.Name))
		}
	}
	return names
}

// exec runs one document. One runs at a time, and one resolver of it at a time: so the world
// needs no other lock. The client's going away does not stop it half way.
func (s *Server) exec(u *user, req gqlRequest) *graphql.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.stop()()
	s.world.expire()
	ctx := context.WithValue(context.Background(), userKey{}, u)
	res := s.gql.Exec(ctx, req.Query, req.OperationName, req.Variables)
	if req.mutates() {
		s.write(u, deed{Request: &req})
	}
	return res
}

// answerGraphQL writes an answer, with the status of its first error. It is 200 for documents that
// do not fit the schema: the SDK learns from their words that a server has no features, and only
// reads them in an answer with 200.
func (s *Server) answerGraphQL(w http.ResponseWriter, res *graphql.Response) {
	status := http.StatusOK
	if len(res.Errors) > 0 {
		if e, ok := res.Errors[0].ResolverError.(*statusError); ok {
			status = e.status
		}
	}
	answer(w, status, res)
}

func answer(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// authenticate finds the user of the request's key: Basic, with any user name.
func (s *Server) authenticate(r *http.Request) *user {
	_, key, ok := r.BasicAuth()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		return nil
	}
	return s.world.keyed(key)
}

func denied(w http.ResponseWriter) {
	answer(w, http.StatusUnauthorized, map[string]any{
		"errors": []any{map[string]any{"message": "permission denied", "path": []string{"viewer"}, "extensions": map[string]any{"code": "PERMISSION_ERROR"}}},
		"data":   map[string]any{"viewer": nil},
	})
}
