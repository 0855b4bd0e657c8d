// Package wandb is Weights & Biases as a backend: a client that speaks to the
// server, and Source, which reads artifacts and their files from it.
//
// The client sends the documents of queries.graphql and mutations.graphql, typed by
// genqlient in internal/gql, with the key only ever to the server's own address.
// Nothing here reads the environment: whoever makes a Config passes it in.
package wandb
