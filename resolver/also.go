package resolver

// also is an error that is of a second kind too, in the same words: "invalid
// argument" is what a name is, and "no such file" what a lookup of it answers.
type also struct {
	error
	kind error
}

func (e also) Unwrap() []error { return []error{e.error, e.kind} }
