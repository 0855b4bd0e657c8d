package main

import "strings"

// report is what mount says of a mount: which stores are on, and how it serves.
type report struct {
	Manifest  string   `json:"manifest,omitempty"`
	WandB     string   `json:"wandb"`
	Disabled  string   `json:"disabled,omitempty"`
	Config    string   `json:"config,omitempty"`
	Lane      string   `json:"lane,omitempty"`
	Why       string   `json:"why,omitempty"`
	Shared    bool     `json:"shared"`
	DataRoots []string `json:"data_roots,omitempty"`
	LogFile   string   `json:"log_file,omitempty"`
	Metrics   string   `json:"metrics,omitempty"` // where they are served, or why not
}

type mountReport struct {
	Dir     string `json:"mountpoint"`
	Already bool   `json:"already_mounted,omitempty"`
	report
}

// newReport describes what is to be mounted.
func newReport(s *state) report {
	c := s.Config
	return report{
		Manifest: c.Root, WandB: wandbState(c), Disabled: c.Disabled, Config: c.File,
		Lane: c.Data, Shared: s.Options.AllowOther, DataRoots: c.Roots(), LogFile: s.LogFile,
	}
}

// askReport describes a mount that is served by another process, which knows the
// lane. A daemon must not ask itself: it would keep its own mount busy.
func askReport(s *state) report {
	r := newReport(s)
	var doc statusDoc
	if askStatus(s.Dir, &doc) == nil && doc.Lane != "" {
		r.Lane, r.Why = doc.Lane, doc.Why
		r.Metrics = doc.Metrics.words()
	}
	return r
}

// reportMount prints what upstream prints when a job is submitted: the artifact
// stores, and beside them what is new here.
func (a *app) reportMount(dir string, r report) error {
	if a.json {
		return a.printJSON(mountReport{Dir: dir, report: r})
	}
	panel(a.out, dir, r.sections())
	return nil
}

func (r report) sections() []section {
	stores := section{Title: "artifacts"}
	switch {
	case r.Disabled != "":
		stores.Fields = append(stores.Fields, field{"disabled", r.Disabled})
	case r.Manifest != "":
		stores.Fields = append(stores.Fields, field{"manifest", r.Manifest})
	}
	if r.WandB != "" {
		stores.Fields = append(stores.Fields, field{"wandb", r.WandB})
	}
	lane := r.Lane
	if r.Why != "" {
		lane += " (" + r.Why + ")"
	}
	mount := section{}
	if lane != "" { // of a mount that does not answer it is not known
		mount.Fields = append(mount.Fields, field{"lane", lane})
	}
	if len(r.DataRoots) > 0 {
		mount.Fields = append(mount.Fields, field{"data_roots", strings.Join(r.DataRoots, ", ")})
	}
	shared := "no, for this user only"
	if r.Shared {
		shared = "with every user"
	}
	mount.Fields = append(mount.Fields, field{"shared", shared})
	if r.Metrics != "" {
		mount.Fields = append(mount.Fields, field{"metrics", r.Metrics})
	}
	if r.LogFile != "" {
		mount.Fields = append(mount.Fields, field{"log", r.LogFile})
	}
	return []section{stores, mount}
}
