package manifest

import "context"

// Public reports whether every user of this machine may look up what lies in
// name's directory ("" is the root), so that an answer about it may be kept for
// all of them.
func (d *Dir) Public(ctx context.Context, name string) bool {
	path := d.root
	if name != "" {
		path += "/" + name
	}
	return d.local.Searchable(ctx, path)
}

// Refresh makes the next listing of name read the store; "" is of every name.
func (d *Dir) Refresh(name string) {
	if name != "" {
		d.changed(name)
		return
	}
	d.prefixes.Purge()
	for _, name := range d.artifacts.Keys() {
		d.changed(name)
	}
}
