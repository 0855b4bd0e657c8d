package wandbtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/graph-gophers/graphql-go"
)

type id = graphql.ID

// nodeID is an id as W&B makes them: base64 of Kind:NUMBER. Clients take it for opaque.
func nodeID(kind string, n any) id {
	return id(base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("%s:%v", kind, n))))
}

// int64Scalar is Int64: a JSON number, and a string is accepted too.
type int64Scalar int64

func (int64Scalar) ImplementsGraphQLType(name string) bool { return name == "Int64" }

func (n *int64Scalar) UnmarshalGraphQL(in any) error {
	switch v := in.(type) {
	case int32:
		*n = int64Scalar(v)
	case float64:
		*n = int64Scalar(v)
	case string:
		i, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no Int64", v)
		}
		*n = int64Scalar(i)
	default:
		return fmt.Errorf("%T is no Int64", in)
	}
	return nil
}

// jsonString is JSONString: JSON inside a string.
type jsonString string

func (jsonString) ImplementsGraphQLType(name string) bool { return name == "JSONString" }

func (s *jsonString) UnmarshalGraphQL(in any) error {
	v, ok := in.(string)
	if !ok || !json.Valid([]byte(v)) {
		return fmt.Errorf("%v is no JSON in a string", in)
	}
	*s = jsonString(v)
	return nil
}

// jsonValue is JSON, which the server only answers.
type jsonValue struct{ v any }

func (jsonValue) ImplementsGraphQLType(name string) bool { return name == "JSON" }
func (jsonValue) UnmarshalGraphQL(any) error             { return fmt.Errorf("JSON is not for input") }
func (v jsonValue) MarshalJSON() ([]byte, error)         { return json.Marshal(v.v) }

// dateTime is DateTime, in seconds of UTC as the server writes it.
type dateTime struct{ time.Time }

func (dateTime) ImplementsGraphQLType(name string) bool { return name == "DateTime" }
func (dateTime) UnmarshalGraphQL(any) error             { return fmt.Errorf("DateTime is not for input") }
func (t dateTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(t.UTC().Format("2006-01-02T15:04:05Z"))
}

func ptr[T any](v T) *T { return &v }

// deref is *p, or the zero value.
func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
