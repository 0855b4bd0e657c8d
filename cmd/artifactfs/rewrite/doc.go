// Package rewrite replaces the ${art:KEY,FIELD} of a YAML config by what they mean.
//
// The text is edited in place: comments, order, blank lines and quotes stay as they
// are, byte for byte. yaml.v3 says where the scalars are, and at the end whether the
// new text holds what it should and nothing else has changed.
//
// What OmegaConf takes for an interpolation is taken for one here: inside a string
// and inside another interpolation, not behind a backslash, not in a key. A scalar
// that is one ${art:…} and nothing else gets the value with its type, as a resolver's
// answer has; inside a string it becomes text.
package rewrite
