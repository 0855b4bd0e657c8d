// Package fs mounts a [resolver.Tree]: it chooses the kernel's options, opens the
// mount, serves it, and takes it away again.
package fs
