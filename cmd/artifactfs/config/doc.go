// Package config finds, reads and checks artifactfs's configuration: env.toml,
// a job's YAML laid over it, and dotlist arguments laid over both, as NVIDIA's
// nemo_runspec does. Where upstream takes a mistake for a setting (a root called
// "none", a typo that drops the root) this package reports it instead.
//
// It decodes once and validates once: what Load returns is passed on as it is.
// It does not open stores.
package config
