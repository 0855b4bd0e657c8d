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
		got, err := (&entry{ref: ref}).inBucket()
		if got.key != key || (err == nil) != (key != "") || err == nil && got.uri.Bucket != "b" {
			t.Errorf("%s: %+v, %v; want key %q", ref, got, err, key)
		}
	}
}

func TestReferenceNamesVersion(t *testing.T) {
	for ref, want := range map[string]string{
		"s3://b/k": "", "s3://b/k?versionId=a%2Fb": "a/b", "s3://b/k?versionId=": "",
	} {
		if got, err := (&entry{ref: ref}).inBucket(); err != nil || got.version != want || got.key != "k" {
			t.Errorf("%s: %+v, %v; want version %q", ref, got, err, want)
		}
	}
	j := &entryJSON{Ref: "s3://b/k?versionId=x"}
	j.Extra.VersionID = "y"
	e := j.entry("k")
	if got, err := e.inBucket(); err != nil || got.version != "y" {
		t.Errorf("of the manifest and the address: %+v, %v; want the manifest's, y", got, err)
	}
}
