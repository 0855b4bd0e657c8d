"""Prints the files of a store on the Hub, and logs v2 of m there.

The three files in one commit are what upstream's manifest tracker writes.
"""

import json
import sys

from huggingface_hub import CommitOperationAdd, HfApi, HfFileSystem

repo, root = sys.argv[1:]
fs = HfFileSystem()
at = f"datasets/{repo}/{root}"
json.dump({path.removeprefix(f"datasets/{repo}/"): fs.cat_file(path).decode() for path in fs.find(at)}, sys.stdout)

manifest = {
    "name": "m",
    "version": 2,
    "type": "Artifact",
    "path": "/data/py",
    "created_at": "2026-08-21T10:00:00+00:00",
    "producer": "local",
    "metadata": {},
    "inputs": [],
    "used_artifacts": [],
}
HfApi().create_commit(
    repo,
    [
        CommitOperationAdd(f"{root}/m/v2/manifest.json", json.dumps(manifest, indent=2).encode()),
        CommitOperationAdd(f"{root}/m/v2/metadata.json", json.dumps({"path": "/data/py"}, indent=2).encode()),
        CommitOperationAdd(f"{root}/m/latest", b"v2"),
    ],
    repo_type="dataset",
    commit_message="artifact: m v2",
)
