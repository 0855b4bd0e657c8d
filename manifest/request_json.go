package manifest

import (
	"fmt"
	"strconv"
)

// maxRequestDepth leaves Python's reader, which gives up at about 1000, its room.
const maxRequestDepth = 200

// parseObjectRequest reads a JSON request. Keys that upstream's model_dump() has
// may be null, as they are there.
func parseObjectRequest(b []byte, start int) (*Request, error) {
	p := parser{b: b, pos: start, depth: maxRequestDepth, values: maxValues, check: badNumber, starts: map[string]int{}}
	v, err := p.whole()
	if err != nil {
		return nil, err
	}
	r := &Request{Metadata: Object{}}
	for _, m := range v.(Object) {
		if why := r.set(m.Key, m.Value); why != "" {
			return nil, &SyntaxError{Offset: p.starts[m.Key], Reason: m.Key + ": " + why}
		}
	}
	if r.Path == "" {
		return nil, &SyntaxError{Offset: start, Reason: "the object has no path"}
	}
	if why := r.setIteration(); why != "" {
		return nil, &SyntaxError{Offset: p.starts["iteration"], Reason: "iteration: " + why}
	}
	return r, nil
}

// set takes one key of a request, and says what is wrong with its value.
func (r *Request) set(key string, v any) string {
	switch key {
	case "path":
		s, ok := v.(string)
		if !ok {
			return "is " + kind(v) + ", not a string"
		}
		r.Path = fileName(s)
		return badPath(r.Path)
	case "type":
		return setText(&r.Type, v)
	case "name":
		return setText(&r.Name, v)
	case "producer":
		r.noProducer = v == nil
		return setText(&r.Producer, v)
	case "created_at":
		if why := setText(&r.CreatedAt, v); why != "" || v == nil {
			return why
		}
		return badTimestamp(r.CreatedAt)
	case "request_id":
		if why := setText(&r.RequestID, v); why != "" || len(r.RequestID) <= maxComponent {
			return why
		}
		return fmt.Sprintf("is longer than %d bytes", maxComponent)
	case "metadata":
		return setObject(&r.Metadata, v)
	case "inputs":
		return setTexts(&r.Inputs, v)
	case "used_artifacts":
		return setTexts(&r.Used, v)
	case "backends":
		return setTexts(&r.Backends, v)
	case "aliases":
		return r.setAliases(v)
	case "tracking":
		if _, ok := v.(Object); !ok && v != nil {
			return "is " + kind(v) + ", not an object"
		}
		r.Tracking = v
		return ""
	}
	r.Fields = append(r.Fields, Member{key, v})
	return ""
}

// setIteration makes a checkpoint of a request with an iteration, unless it gives
// a type of its own: then iteration is one of that type's fields.
func (r *Request) setIteration() string {
	v, _ := r.Fields.Get("iteration")
	if v == nil || r.Type != "" && r.Type != modelType {
		return ""
	}
	n, ok := v.(Number)
	if !ok {
		return "is " + kind(v) + ", not a number"
	}
	i, ok := n.Int()
	if !ok || i < 0 {
		return "is " + clip(string(n)) + ", not a whole number from 0"
	}
	r.Iteration = &i
	return ""
}

func setText(to *string, v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		return "is " + kind(v) + ", not a string"
	}
	*to = s
	return ""
}

func setObject(to *Object, v any) string {
	o, ok := v.(Object)
	if !ok && v != nil {
		return "is " + kind(v) + ", not an object"
	}
	if ok {
		*to = o
	}
	return ""
}

func setTexts(to *[]string, v any) string {
	list, ok := v.([]any)
	if !ok && v != nil {
		return "is " + kind(v) + ", not a list"
	}
	if v == nil {
		return ""
	}
	*to = make([]string, 0, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return "item " + strconv.Itoa(i) + " is " + kind(v) + ", not a string"
		}
		*to = append(*to, s)
	}
	return ""
}

func (r *Request) setAliases(v any) string {
	if why := setTexts(&r.Aliases, v); why != "" {
		return why
	}
	for _, a := range r.Aliases {
		if a == Latest {
			return "latest moves by itself"
		}
		if why, _ := badAlias(a); why != "" {
			return "alias " + quote(a) + ": " + why
		}
	}
	return ""
}

// badNumber refuses what upstream's readers, or JSON's, could not read back.
func badNumber(n Number) string {
	if !n.Finite() {
		return string(n) + " is not a number in JSON; leave it out or write null"
	}
	if allDigits(trimSign(n)) {
		if len(trimSign(n)) > 4300 {
			return "an integer of more than 4300 digits, which Python refuses to read"
		}
		return ""
	}
	if _, err := strconv.ParseFloat(string(n), 64); err != nil {
		return "a number too large for a float"
	}
	return ""
}

func trimSign(n Number) string {
	if len(n) > 0 && n[0] == '-' {
		return string(n[1:])
	}
	return string(n)
}
