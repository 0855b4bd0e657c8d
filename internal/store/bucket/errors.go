package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

var (
	// ErrChanged says that an object is not what it was when it was looked at.
	ErrChanged = errors.New("the object was changed meanwhile")

	// errCondition is that a conditional write was refused.
	errCondition = errors.New("the store refused the condition")
)

// failed makes of a driver's error one that says what a store is to a caller:
// fs.ErrNotExist, fs.ErrPermission, os.ErrDeadlineExceeded, or EIO for a store that
// does not answer, is not there, or cannot be understood. whole is set where only a
// bucket can be missing, and no object.
func (b *Bucket) failed(ctx context.Context, op, key string, err error, whole bool) error {
	what := fmt.Sprintf("%s %s/%s", op, b, key)
	if errors.Is(err, errCondition) || errors.Is(err, ErrChanged) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%s: no answer in time: %w", what, os.ErrDeadlineExceeded)
		}
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	status, code := httpStatus(err)
	kind := gcerrors.Code(err)
	if kind == gcerrors.Unknown {
		kind = hfblob.Code(err) // of what did not come by way of gocloud
	}
	switch {
	case code == "RepoNotFound":
		return fmt.Errorf("%s: there is no repository %s, or none that this token may see (HF_TOKEN, or hf auth login): %w", what, b.uri.Bucket, syscall.EIO)
	case code == "RevisionNotFound":
		return fmt.Errorf("%s: the repository has no revision as in %s: %w", what, b.uri.Bucket, syscall.EIO)
	case kind == gcerrors.FailedPrecondition, code == "ConditionalRequestConflict":
		return fmt.Errorf("%s: %w", what, errCondition)
	case status == http.StatusForbidden, status == http.StatusUnauthorized, kind == gcerrors.PermissionDenied:
		return fmt.Errorf("%s: the store refuses these credentials (%s): %w", what, brief(status, code), fs.ErrPermission)
	case code == "NoSuchBucket", errors.Is(err, storage.ErrBucketNotExist), code == string(bloberror.ContainerNotFound), whole && kind == gcerrors.NotFound:
		return fmt.Errorf("%s: there is no bucket %s, or none that these credentials may see: %w", what, b.uri.Bucket, syscall.EIO)
	case kind == gcerrors.NotFound && (status == http.StatusNotFound || errors.Is(err, storage.ErrObjectNotExist) || b.uri.Scheme == "mem" || b.uri.Scheme == "hf"):
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case status == http.StatusTooManyRequests && b.uri.Scheme == "hf": // which says in words until when
		return fmt.Errorf("%s: the store asks for fewer requests: %v: %w", what, err, syscall.EIO)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return fmt.Errorf("%s: the store asks for fewer requests (%s): %w", what, brief(status, code), syscall.EIO)
	case code == "RequestTimeTooSkewed":
		return fmt.Errorf("%s: this machine's clock differs too much from the store's: %w", what, syscall.EIO)
	}
	var lost *net.OpError
	if errors.As(err, &lost) {
		return fmt.Errorf("%s: the store does not answer (%v): %w", what, lost, syscall.EIO)
	}
	return fmt.Errorf("%s: %v: %w", what, err, syscall.EIO)
}

// httpStatus returns what the store answered: the status, 0 if it did not, and the
// store's own word for it.
func httpStatus(err error) (status int, code string) {
	var s3err smithy.APIError
	if errors.As(err, &s3err) {
		code = s3err.ErrorCode()
	}
	var s3resp *awshttp.ResponseError
	if errors.As(err, &s3resp) {
		return s3resp.HTTPStatusCode(), code
	}
	var gerr *googleapi.Error
	if errors.As(err, &gerr) {
		return gerr.Code, code
	}
	var azerr *azcore.ResponseError
	if errors.As(err, &azerr) {
		return azerr.StatusCode, azerr.ErrorCode
	}
	var hferr *hfblob.Error
	if errors.As(err, &hferr) {
		if code = hferr.Code; code == "" || code == "GatedRepo" {
			code = hferr.Message // which says more, and what to do
		}
		return hferr.Status, code
	}
	return 0, code
}

func brief(status int, code string) string {
	if code == "" {
		return http.StatusText(status)
	}
	return code
}
