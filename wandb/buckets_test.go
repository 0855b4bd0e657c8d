package wandb

import "testing"

// A reference is somebody else's: it names an object, and not where the requests for it,
// which carry credentials, are to go.
func TestReferenceNamesObject(t *testing.T) {
	for ref, key := range map[string]string{
		"s3://b/k": "k", "gs://b/d/a b": "d/a b", "s3://b/k?versionId=v": "k", "s3://b/d/": "d/",
		"s3://b": "", "s3://b/": "", "s3://b?endpoint=evil.example/k": "", "s3://b/k?endpoint=evil.example": "", "s3://b@evil.example/k": "",
		"s3://b//k": "", "s3://b/in/../out": "", "s3://b/./k": "",
	} {
		u, got, err := (&entry{ref: ref}).inBucket()
		if got != key || (err == nil) != (key != "") || err == nil && u.Bucket != "b" {
			t.Errorf("%s: %s, key %q, %v; want key %q", ref, u, got, err, key)
		}
	}
}
