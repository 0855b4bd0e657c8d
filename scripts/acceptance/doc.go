// Package acceptance holds what artifactfs promises as tests against the real binary, real mounts and other people's programs.
//
// It knows nothing of the Go packages: a store is a directory, a mount is a command, a user is a uid, a container is a mount
// namespace. As root the tests run in a mount namespace of their own, where nobody else's has copies of their mounts. Tests that need root, /dev/fuse or a program say so and skip where it is missing; `make deps` brings the programs.
package acceptance
