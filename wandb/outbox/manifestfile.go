package outbox

import (
	"bufio"
	"encoding/json"
	"io"
)

// manifestEntry is an entry as W&B's manifest has it.
type manifestEntry struct {
	Digest string `json:"digest"`
	Ref    string `json:"ref,omitempty"`
	Size   int64  `json:"size"`
	Birth  string `json:"birthArtifactID,omitempty"`
}

// writeManifest makes of entries the manifest that W&B stores. births says in which
// version W&B has each stored file.
func writeManifest(w io.Writer, entries io.Reader, births map[string]string) error {
	b := bufio.NewWriterSize(w, 64<<10)
	b.WriteString(`{"version":1,"storagePolicy":"wandb-storage-policy-v1","storagePolicyConfig":{"storageLayout":"V2"},"contents":{`)
	sep := ""
	err := eachEntry(entries, func(e entry) error {
		name, err := json.Marshal(e.Path)
		if err != nil {
			return err
		}
		value, err := json.Marshal(manifestEntry{Digest: e.Digest, Ref: e.Ref, Size: e.Size, Birth: births[e.Path]})
		if err != nil {
			return err
		}
		b.WriteString(sep)
		b.Write(name)
		b.WriteByte(':')
		_, err = b.Write(value)
		sep = ","
		return err
	})
	if err != nil {
		return err
	}
	b.WriteString("}}")
	return b.Flush()
}
