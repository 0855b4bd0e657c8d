//go:build !linux

package store

type mounts struct{ table *mountTable }

func newMounts(gateOf func(string) *gate) *mounts { return &mounts{parseMounts(nil, gateOf)} }

func (m *mounts) current(bool) *mountTable { return m.table }
