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

// bucket looks at a manifest root in a bucket, and reports whether it answers.
func (d *doctor) bucket(ctx context.Context) bool {
	const check = "manifest root"
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
	case err != nil:
		d.add(check, fail, oneLine(err), "what is known is answered, the rest is EIO", "")
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
