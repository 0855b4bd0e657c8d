// Package resolver is the namespace without FUSE: paths in, entries out.
//
// A [Tree] shows what a [Source] knows as directories: artifacts, their versions
// and aliases, the data below them, and the views of design "every view is
// .VIEW/NAME/VERSION". It also logs new versions, through control files and by
// [Tree.Log]. It knows neither the kernel nor flags; local files are read through
// [store.Local], as the caller that the context names.
package resolver
