package buckettest

import (
	"fmt"
	"net/http"
	"time"
)

// The answers below are error documents as the vendors document them.

// S3Error answers as S3 does.
func S3Error(status int, code, message string) Fault {
	return Fault{Status: status, Header: http.Header{"Content-Type": {"application/xml"}, "X-Amz-Request-Id": {"4442587FB7D0A2F9"}},
		Body: fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>%s</Code><Message>%s</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>`, code, message)}
}

// GCSError answers as the JSON API of Google Cloud Storage does.
func GCSError(status int, reason, message string) Fault {
	return Fault{Status: status, Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}},
		Body: fmt.Sprintf(`{"error": {"code": %d, "message": %q, "errors": [{"message": %[2]q, "domain": "global", "reason": %q}]}}`, status, message, reason)}
}

// AzureError answers as Azure's blob service does. The detail may be "".
func AzureError(status int, code, message, detail string) Fault {
	if detail != "" {
		detail = "<AuthenticationErrorDetail>" + detail + "</AuthenticationErrorDetail>"
	}
	return Fault{Status: status, Header: http.Header{"Content-Type": {"application/xml"}, "X-Ms-Error-Code": {code}, "X-Ms-Request-Id": {"f6a1b2c3"}},
		Body: fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>%s</Message>%s</Error>`, code, message, detail)}
}

// HubError answers as the Hugging Face Hub does. The code may be "".
func HubError(status int, code, message string) Fault {
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Error-Message": {message}}
	if code != "" {
		h.Set("X-Error-Code", code)
	}
	return Fault{Status: status, Header: h, Body: fmt.Sprintf(`{"error": %q}`, message)}
}

// Dated has an answer be of a store whose clock is an hour ahead of this machine's.
func (f Fault) Dated() Fault {
	f.Header.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	return f
}
