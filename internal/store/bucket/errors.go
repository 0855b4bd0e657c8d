package bucket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

var (
	// ErrChanged says that an object is not what it was when it was looked at.
	ErrChanged = errors.New("the object was changed meanwhile")

	// ErrClock says that credentials are refused because of the time: they are signed with it.
	ErrClock = errors.New("this machine's clock is not the store's, which refuses what is signed with it")

	// ErrNoBucket says that a store answers and has no such bucket, or shows none.
	ErrNoBucket = errors.New("there is no bucket")

	// ErrBusy says that a store answers that it is asked too much.
	ErrBusy = errors.New("the store asks for fewer requests")

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
	kind := gcerrors.Code(err)
	err = plain(err)
	if said := lastFailure(ctx); said != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w; before that %w", err, said)
	}
	status, code := httpStatus(err)
	if kind == gcerrors.Unknown {
		kind = hfblob.Code(err) // of what did not come by way of gocloud
	}
	if kind == gcerrors.Unknown && (status == http.StatusNotFound || errors.Is(err, storage.ErrObjectNotExist)) {
		kind = gcerrors.NotFound
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if why := (*noCredentials)(nil); errors.As(err, &why) {
		return fmt.Errorf("%s: %w: %w", what, why, fs.ErrPermission)
	}
	refused := status == http.StatusForbidden || status == http.StatusUnauthorized || kind == gcerrors.PermissionDenied || badToken[code]
	switch {
	case errors.Is(err, hfblob.ErrReadOnly):
		return fmt.Errorf("%s: %v: %w", what, err, syscall.EROFS)
	case refused && skew(err) != 0, code == "RequestTimeTooSkewed":
		return fmt.Errorf("%s: %w (%s): it is %s: %w", what, ErrClock, brief(status, code), ahead(skew(err)), fs.ErrPermission)
	case code == "RepoNotFound":
		return fmt.Errorf("%s: there is no repository %s, or none that this token may see (HF_TOKEN, or hf auth login): %w", what, b.uri.Bucket, syscall.EIO)
	case code == "RevisionNotFound":
		return fmt.Errorf("%s: the repository has no revision as in %s: %w", what, b.uri.Bucket, syscall.EIO)
	case kind == gcerrors.FailedPrecondition, code == "ConditionalRequestConflict":
		return fmt.Errorf("%s: %w", what, errCondition)
	case refused:
		return fmt.Errorf("%s: the store refuses these credentials (%s%s): %w", what, brief(status, code), sasWords(err, status), fs.ErrPermission)
	case code == "NoSuchBucket", errors.Is(err, storage.ErrBucketNotExist), code == string(bloberror.ContainerNotFound), whole && kind == gcerrors.NotFound:
		return fmt.Errorf("%s: %w %s, or none that these credentials may see: %w", what, ErrNoBucket, b.uri.Bucket, syscall.EIO)
	case kind == gcerrors.NotFound && b.uri.Scheme == "s3" && !absent[code]: // versitygw has 404 for a key that it does not know
		return fmt.Errorf("%s: the store answers %q: %w", what, code, syscall.EIO)
	case kind == gcerrors.NotFound && (status == http.StatusNotFound || errors.Is(err, storage.ErrObjectNotExist) || b.uri.Scheme == "mem" || b.uri.Scheme == "hf"):
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case status == http.StatusTooManyRequests && b.uri.Scheme == "hf": // which says in words until when
		return fmt.Errorf("%s: %w: %v: %w", what, ErrBusy, err, syscall.EIO)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return fmt.Errorf("%s: %w (%s): %w", what, ErrBusy, brief(status, code), syscall.EIO)
	case code == "PermanentRedirect", code == "AuthorizationHeaderMalformed":
		return fmt.Errorf("%s: the bucket is in another region, or at another endpoint (AWS_REGION, or ?region=, ?endpoint=): %v: %w", what, err, syscall.EIO)
	}
	var lost *net.OpError
	if errors.As(err, &lost) {
		return fmt.Errorf("%s: the store does not answer (%v): %w", what, lost, syscall.EIO)
	}
	if ctx.Err() != nil && status == 0 {
		return fmt.Errorf("%s: no answer in time: %w", what, os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("%s: %v: %w", what, err, syscall.EIO)
}

// codes are what gocloud wraps beside what its driver said.
var codes = []error{gcerrors.ErrUnknown, gcerrors.ErrNotFound, gcerrors.ErrAlreadyExists, gcerrors.ErrInvalidArgument, gcerrors.ErrInternal, gcerrors.ErrUnimplemented,
	gcerrors.ErrFailedPrecondition, gcerrors.ErrPermissionDenied, gcerrors.ErrResourceExhausted, gcerrors.ErrCanceled, gcerrors.ErrDeadlineExceeded}

// plain is what the driver said, without gocloud's words for the same.
func plain(err error) error {
	if both, ok := err.(interface{ Unwrap() []error }); ok {
		if said := both.Unwrap(); len(said) == 2 && said[0] != nil && slices.Contains(codes, said[1]) {
			return said[0]
		}
	}
	return err
}

// badToken are codes of S3 for credentials that it refuses with another status than 403;
// the last is versitygw's.
var badToken = map[string]bool{"ExpiredToken": true, "InvalidToken": true, "TokenRefreshRequired": true, "InvalidAccessKeyId": true, "XAdminUserNotFound": true}

// absent are codes of S3 that say of an object, and not of the bucket or who asks, that
// it is not there. An answer to HEAD has no code, and the client says NotFound.
var absent = map[string]bool{"NoSuchKey": true, "NoSuchVersion": true, "NotFound": true, "": true}

// skew returns how far this machine's clock is ahead of the store's, of an answer that
// refuses credentials: 0 where that is too little to be the reason. Signatures and tokens
// hold for five minutes (AWS) to an hour (Google), and Azure tells a wrong date from a wrong key in words only.
func skew(err error) time.Duration {
	there, perr := http.ParseTime(answerOf(err).Get("Date"))
	if d := time.Since(there); perr == nil && d.Abs() > 5*time.Minute {
		return d
	}
	return 0
}

// ahead says of this machine's clock how it is.
func ahead(skew time.Duration) string {
	switch d := skew.Round(time.Second); {
	case d > 0:
		return fmt.Sprintf("%v ahead", d)
	case d < 0:
		return fmt.Sprintf("%v behind", -d)
	}
	return "off"
}

// answerOf returns the headers of the store's answer, nil if there was none.
func answerOf(err error) http.Header {
	var s3resp *awshttp.ResponseError
	if errors.As(err, &s3resp) && s3resp.HTTPResponse() != nil {
		return s3resp.HTTPResponse().Header
	}
	var azerr *azcore.ResponseError
	if errors.As(err, &azerr) && azerr.RawResponse != nil {
		return azerr.RawResponse.Header
	}
	var token *oauth2.RetrieveError
	if errors.As(err, &token) && token.Response != nil {
		return token.Response.Header
	}
	return nil
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
	var token *oauth2.RetrieveError // Google's, or Azure's
	if errors.As(err, &token) && token.Response != nil && token.Response.StatusCode < 500 {
		var said struct { // of a key, the client does not read it
			Error string
			Words string `json:"error_description"`
		}
		_ = json.Unmarshal(token.Body, &said)
		return http.StatusUnauthorized, cmp.Or(said.Words, said.Error)
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
