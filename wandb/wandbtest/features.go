package wandbtest

import (
	"fmt"
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/wandb/schema"
)

// Features says what kind of server it is: its answer to serverInfo.features, and the schema
// that goes with it. Fields that came with a feature are unknown to a server without it.
type Features string

const (
	Modern Features = "modern" // as W&B's servers of today
	XXH    Features = "xxh"    // and with XXH128 digests
	Old    Features = "old"    // has no serverInfo.features at all
)

func (f Features) MarshalText() ([]byte, error) { return []byte(f), nil }

// UnmarshalText is for flags and JSON.
func (f *Features) UnmarshalText(b []byte) error {
	switch *f = Features(b); *f {
	case Modern, XXH, Old, "":
		return nil
	}
	return fmt.Errorf("features %q: modern, xxh and old are known", b)
}

type featureSet []string

const digestAlgorithm = "ARTIFACT_DIGEST_ALGORITHM"

var modern = featureSet{
	"ARTIFACT_TAGS",
	"ARTIFACT_REGISTRY_SEARCH",
	"PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
	"ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
	"ARTIFACT_COLLECTION_MEMBERSHIP_FILE_DOWNLOAD_HANDLER",
	"STRUCTURED_CONSOLE_LOGS",
	"LARGE_FILENAMES",
	"EXPAND_DEFINED_METRIC_GLOBS",
	"CLIENT_IDS",
	"ARTIFACT_COLLECTIONS_FILTERING_SORTING",
	"TOTAL_COUNT_IN_FILE_CONNECTION",
	"ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
	"INCLUDE_ARTIFACT_TYPES_IN_REGISTRY_CREATION",
	"USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
	"ARTIFACT_V2_DOWNLOAD_HANDLER_SUPPORTS_ARTIFACT_ID",
}

func (f Features) set() featureSet {
	switch f {
	case Old:
		return nil
	case XXH:
		return append(slices.Clone(modern), digestAlgorithm)
	}
	return modern
}

func (s featureSet) has(name string) bool { return slices.Contains(s, name) }
func (s featureSet) old() bool            { return len(s) == 0 }

// gated are the lines of the schema, or parts of lines, that a feature brings. That it is these
// and no others is a guess from what the SDK asks before it uses them.
var gated = map[string][]string{
	digestAlgorithm: {
		"  digestAlgorithm: ArtifactDigestAlgorithm   # [X] feature ARTIFACT_DIGEST_ALGORITHM\n",
		"  digestAlgorithm: ArtifactDigestAlgorithm!    # [X]\n",
		"  digestAlgorithm: ArtifactDigestAlgorithm   # [X]\n",
		"  digest: String                             # [X]\n",
		"  xxhashDigestsEnabled: Boolean ",
	},
	"USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION": {"  artifactEntityName: String artifactProjectName: String "},
	"TOTAL_COUNT_IN_FILE_CONNECTION":                   {" totalCount: Int }"},
	"":                                                 {"  features: [ServerFeature] "}, // any at all
}

// sdl is the schema of a server with these features.
func (s featureSet) sdl() string {
	// The executor refuses variables that leave out a field with a default if it must not be null; that
	// it is not null it sees to by the default.
	text := strings.ReplaceAll(schema.SDL, "! = ", " = ")
	for name, lines := range gated {
		if s.has(name) || name == "" && !s.old() {
			continue
		}
		for _, line := range lines {
			with := ""
			if strings.HasSuffix(line, "}") {
				with = "}"
			} else if !strings.HasSuffix(line, "\n") {
				with = "  "
			}
			if strings.Count(text, line) != 1 {
				panic("wandbtest: the schema does not have " + line + " once")
			}
			text = strings.Replace(text, line, with, 1)
		}
	}
	return text
}
