package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// credentialsOf says where each vendor's client looks for credentials.
var credentialsOf = map[string]string{
	"s3":     "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or aws configure",
	"gs":     "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS",
	"azblob": "AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or az login",
	"hf":     "HF_TOKEN, or hf auth login",
}

// reachedBy says what tells each client where its store is.
var reachedBy = map[string]string{
	"s3":     "AWS_ENDPOINT_URL or ?endpoint=, HTTPS_PROXY, and whether curl reaches that from here",
	"gs":     "STORAGE_EMULATOR_HOST, HTTPS_PROXY, and whether curl reaches storage.googleapis.com from here",
	"azblob": "AZURE_STORAGE_ACCOUNT or ?storage_account=, HTTPS_PROXY, and whether curl reaches that account from here",
	"hf":     "HF_ENDPOINT, HF_HUB_OFFLINE, the revision after @, HTTPS_PROXY, and whether curl reaches the Hub from here",
}

// bucket looks at a manifest root in a bucket, and reports whether it answers.
func (d *doctor) bucket(ctx context.Context) bool {
	const check, known = "manifest root", "what is known is answered, the rest is EIO"
	at, err := openBucket(d.cfg)
	if err != nil {
		d.add(check, fail, oneLine(err), "the client cannot be made", "")
		return false
	}
	defer at.Close()
	at.SetDeadline(patience)
	fix := credentialsOf[at.URI().Scheme]
	switch err := at.Ping(ctx); {
	case errors.Is(err, bucket.ErrClock):
		d.add(check, fail, oneLine(err), "requests are signed with the time, and hold for minutes", "timedatectl set-ntp true")
		return false
	case errors.Is(err, fs.ErrPermission):
		d.add(check, fail, oneLine(err), "the credentials found here may not list it", fix)
		return false
	case errors.Is(err, bucket.ErrNoBucket):
		d.add(check, fail, oneLine(err), known, "correct artifacts.manifest.root, or make the bucket, or look at "+fix)
		return false
	case errors.Is(err, bucket.ErrBusy):
		d.add(check, fail, oneLine(err), known, "wait; a longer artifactfs.ttl asks less often")
		return false
	case err != nil:
		d.add(check, fail, oneLine(err), known, "look at "+reachedBy[at.URI().Scheme])
		return false
	}
	d.add(check, fine, at.String()+" answers", "", "")
	switch err := at.Probe(ctx, ".artifactfs/"); {
	case errors.Is(err, bucket.ErrNoClaims):
		d.add("claims", fail, oneLine(err), "two who log at once would have one number, and one of them is lost", "use a store that honours conditional writes")
	case errors.Is(err, syscall.EROFS):
		d.add("claims", warn, oneLine(err), "it can be read, and nothing can be logged", "")
	case err != nil && !errors.Is(err, fs.ErrPermission):
		d.add("claims", warn, oneLine(err), "versions cannot be logged now", "")
	case err != nil:
		d.add("claims", warn, strings.TrimSpace(oneLine(err)), "it can be read from here, and nothing can be logged", fix)
	case at.Commits():
		d.add("claims", fine, "each version is one commit on top of the last; whether this token may write is known by the first log", "", "")
	default:
		d.add("claims", fine, "conditional writes are honoured", "", "")
	}
	return true
}
