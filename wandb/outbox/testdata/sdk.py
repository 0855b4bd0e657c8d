"""What W&B's SDK makes of data, and what it sees of what was logged to the server.

usage: sdk.py ENTITY/PROJECT DIR METADATA_JSON STORED... > JSON
"""
import json
import sys

import wandb

project, data, metadata, stored = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]


def entries(artifact):
    return {k: {"digest": e.digest, "ref": e.ref, "size": e.size or 0} for k, e in artifact.manifest.entries.items()}


made = wandb.Artifact("data", "SFTDataArtifact")
made.add_file(metadata, name="metadata.json")
for name in stored:
    made.add_file(f"{data}/{name}", name=name)
made.add_reference(f"file://{data}", name="output", checksum=False)

api = wandb.Api()
got = api.artifact(f"{project}/data:latest")
seen = {
    "name": got.name,
    "version": got.version,
    "type": got.type,
    "digest": got.digest,
    "entries": entries(got),
    "metadata": dict(got.metadata),
    "aliases": sorted(got.aliases),
    "description": got.description,
    "logged_by": got.logged_by().id,
    "run_state": got.logged_by().state,
    "raw_used_by": [r.id for r in api.artifact(f"{project}/raw:v0").used_by()],
    "url": got.url,
}
with open(got.get_entry("metadata.json").download()) as f:
    seen["metadata_json"] = f.read()
whole = api.artifact(f"{project}/empty:latest").download()
with open(f"{whole}/metadata.json") as f:
    seen["downloaded"] = f.read()
json.dump({"made": {"digest": made.manifest.digest(), "entries": entries(made)}, "seen": seen}, sys.stdout)
