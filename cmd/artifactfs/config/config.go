package config

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Config is the configuration in force: decoded, checked, nothing left to look up.
type Config struct {
	File string `json:"file,omitempty"` // the env.toml it came from, if any
	Job  string `json:"job,omitempty"`  // the job's YAML, if any

	Root     string `json:"root,omitempty"`     // manifest root, an absolute path; "": off
	Embedded bool   `json:"embedded,omitempty"` // Root is our own store, since nothing was configured
	WandB    bool   `json:"wandb"`              // artifacts.wandb is on
	Wandb    WandB  `json:"wandb_run"`

	// Disabled is not empty when every backend was switched off: it names the
	// settings that did it.
	Disabled string `json:"disabled,omitempty"`

	Data      string        `json:"data"`
	DataRoots []string      `json:"data_roots,omitempty"`
	DataURIs  []string      `json:"data_uris,omitempty"` // those of data_roots that are URIs
	MaxBinds  int           `json:"max_binds,omitempty"` // 0: the default
	Numbering string        `json:"numbering,omitempty"` // "wandb" or "manifest"; "" is as the store has it
	Writers   Writers       `json:"writers,omitzero"`    // who may write a store that has no users
	Snapshot  string        `json:"snapshot,omitempty"`  // "job" or "off"; "" is job
	Lineage   string        `json:"lineage,omitempty"`   // "on", "off" or "complete"; "" is on
	StateRoot string        `json:"state_root,omitempty"`
	CacheDir  string        `json:"cache_dir,omitempty"`  // "": nothing is kept
	CacheSize int64         `json:"cache_size,omitempty"` // in bytes; 0: the default
	UID       *uint32       `json:"uid,omitempty"`
	GID       *uint32       `json:"gid,omitempty"`
	Umask     *uint32       `json:"umask,omitempty"`
	TTL       time.Duration `json:"ttl,omitempty"`
	Deadline  time.Duration `json:"deadline,omitempty"`
	LogLevel  slog.Level    `json:"log_level"`
	Metrics   string        `json:"metrics,omitempty"` // address and port that they are served on; "": none

	// Warnings are for people, one line each: what was set and does nothing here.
	Warnings []string `json:"warnings,omitempty"`
}

// Writers are users and groups, by number.
type Writers struct {
	Users  []uint32 `json:"users,omitempty"`
	Groups []uint32 `json:"groups,omitempty"`
}

// Roots are all data_roots, paths and URIs.
func (c *Config) Roots() []string { return append(slices.Clip(c.DataRoots), c.DataURIs...) }

// List spells them as the setting does.
func (w Writers) List() (out []string) {
	for _, u := range w.Users {
		out = append(out, fmt.Sprintf("user:%d", u))
	}
	for _, g := range w.Groups {
		out = append(out, fmt.Sprintf("group:%d", g))
	}
	return out
}

// WandB is the [wandb] table.
type WandB struct {
	Project string   `json:"project,omitempty"`
	Entity  string   `json:"entity,omitempty"`
	Name    string   `json:"name,omitempty"`
	Group   string   `json:"group,omitempty"`
	JobType string   `json:"job_type,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

// Options says where configuration comes from.
type Options struct {
	File    string   // --config; "": Find
	Job     string   // --job
	Dotlist []string // key=value arguments, the last word
	Dir     string   // the current directory
	Env     Env
}

// Load reads, merges and checks. It opens no store and makes no directory.
func Load(o Options) (*Config, error) {
	s, err := gather(o)
	if err != nil {
		return nil, err
	}
	c := &Config{Job: o.Job, Data: "auto"}
	if s.file != nil {
		c.File = s.file.path
	}
	if err := c.backends(s, o.Env); err != nil {
		return nil, err
	}
	if err := c.wandbTable(s); err != nil {
		return nil, err
	}
	if err := c.own(s, o.Env); err != nil {
		return nil, err
	}
	return c, nil
}
