package wandbtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// pageMax is the most that one page holds, whatever is asked: what the SDK asks at most.
const pageMax = 5000

// listArgs are the arguments of every list. Each field of the schema has some of them.
type listArgs struct {
	After, Before                              *string
	First, Last                                *int32
	Order                                      *string
	Filters, ProjectFilters, CollectionFilters *jsonString
	CollectionTypes, Names, ContentType        *[]string
	IncludeAll                                 *bool
}

type pageInfo struct {
	EndCursor, StartCursor       *string
	HasNextPage, HasPreviousPage bool
}

type edge[N any] struct {
	Cursor string
	Node   N

	Version string   // of an artifact in a collection: v3
	UsedAs  []string // of an artifact in a run's inputs
}

type connection[N any] struct {
	Edges      []*edge[N]
	PageInfo   *pageInfo
	TotalCount int32
}

// page cuts out what args ask for. Cursors are base64 of cursor:INDEX.
func page[N any](all []*edge[N], args listArgs) (*connection[N], error) {
	if args.Before != nil || args.Last != nil {
		return nil, badRequest("before and last are not served here")
	}
	for _, f := range []*jsonString{args.Filters, args.ProjectFilters, args.CollectionFilters} {
		if _, err := filter(f); err != nil { // what a list knows of filters it has taken out by now
			return nil, err
		}
	}
	from, to := 0, len(all)
	if after := deref(args.After); after != "" {
		n, err := cursorIndex(after)
		if err != nil {
			return nil, err
		}
		from = min(n+1, to)
	}
	if args.First != nil {
		to = min(to, from+int(max(0, min(*args.First, pageMax))))
	}
	c := &connection[N]{Edges: all[from:to], PageInfo: &pageInfo{}, TotalCount: int32(len(all))}
	for i, e := range c.Edges {
		e.Cursor = cursor(from + i)
	}
	if len(c.Edges) > 0 {
		c.PageInfo.StartCursor, c.PageInfo.EndCursor = ptr(cursor(from)), ptr(cursor(to-1))
	}
	c.PageInfo.HasNextPage, c.PageInfo.HasPreviousPage = to < len(all), from > 0
	return c, nil
}

func cursor(i int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "cursor:%d", i))
}

func cursorIndex(s string) (int, error) {
	b, _ := base64.StdEncoding.DecodeString(s)
	n, err := strconv.Atoi(strings.TrimPrefix(string(b), "cursor:"))
	if err != nil || !strings.HasPrefix(string(b), "cursor:") {
		return 0, badRequest("invalid cursor %q", s)
	}
	return n, nil
}

func edges[N any](nodes []N) []*edge[N] {
	all := make([]*edge[N], len(nodes))
	for i, n := range nodes {
		all[i] = &edge[N]{Node: n, UsedAs: []string{}}
	}
	return all
}

func pageOf[N any](nodes []N, args listArgs) (*connection[N], error) {
	return page(edges(nodes), args)
}

// filter is the equality part of W&B's filters: {"state": "COMMITTED"}. What is asked beyond that
// is an error, since a filter that is passed over in silence makes a test pass for nothing.
func filter(s *jsonString, known ...string) (map[string]string, error) {
	if s == nil {
		return nil, nil
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(*s), &all); err != nil {
		return nil, badRequest("filter %s: %v", *s, err)
	}
	out := map[string]string{}
	for k, v := range all {
		text, ok := v.(string)
		if !ok || !slices.Contains(known, k) {
			return nil, badRequest("filter %s is not served here, only equality of %q", *s, known)
		}
		out[k] = text
	}
	return out, nil
}
