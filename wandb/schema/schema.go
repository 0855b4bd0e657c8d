// Package schema holds the part of W&B's GraphQL schema that artifact clients use.
//
// W&B does not publish its schema: this one was put together from what its SDKs send,
// and each line's mark says where from. The client's documents are generated against
// it, and the server for tests executes it, so that neither can make up a field.
// It is a package of its own because the server for tests must not import the client,
// whose tests import the server.
package schema

import _ "embed"

// SDL is the schema in GraphQL's schema definition language.
//
//go:embed schema.graphql
var SDL string
