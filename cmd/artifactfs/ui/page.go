package ui

import (
	"embed"
	"html/template"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed dist
var dist embed.FS

//go:embed page.html
var pageHTML string

var pages = template.Must(template.New("").Parse(pageHTML))

// page is the same for every address: the page itself reads from the address what to show.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	render(w, "page", s.opt.Title)
}

func render(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stuck))
	_ = pages.ExecuteTemplate(w, name, data)
}

// dist are the files that go with the page.
func (s *Server) dist(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	b, err := dist.ReadFile("dist/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stuck))
	_, _ = w.Write(b)
}
