// Package gql is W&B's GraphQL documents as Go functions, made by genqlient from
// wandb/*.graphql and wandb/schema.graphql.
package gql

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Int64 is the server's scalar of that name: a number, which some servers send as
// a string.
type Int64 int64

// UnmarshalJSON reads either spelling.
func (n *Int64) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("Int64: %w", err)
	}
	*n = Int64(i)
	return nil
}
