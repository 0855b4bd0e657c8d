package outbox

import (
	"fmt"
	"net/url"

	"artifactfs.dev/artifactfs/wandb"
)

// artifactURL is where people look at a version.
func artifactURL(server string, a *answer, typ string) string {
	return fmt.Sprintf("%s/%s/%s/artifacts/%s/%s/v%d", wandb.AppURL(server),
		url.PathEscape(a.Entity), url.PathEscape(a.Project), url.PathEscape(typ), url.PathEscape(a.Collection), a.Index)
}
