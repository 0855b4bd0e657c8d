"""What huggingface_hub makes of a Hub: prints one JSON object of what it saw.

HF_ENDPOINT and HF_TOKEN say where and as whom.
"""

import json
import sys

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem, hf_hub_download, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

api, seen = HfApi(), {}


def error(of, do):
    """The error that do raises."""
    try:
        do()
    except of as e:
        return f"{type(e).__name__} {e.response.status_code}"
    return "none"


repo = api.create_repo("org/py", repo_type="dataset", private=True)
seen["url"] = str(repo)
seen["again"] = error(HfHubHTTPError, lambda: api.create_repo("org/py", repo_type="dataset"))
large = bytes(range(256)) * 1024
first = api.create_commit(
    "org/py",
    [
        CommitOperationAdd("v1/manifest.json", b'{"name": "m"}'),
        CommitOperationAdd("v1/weights.bin", large),
        CommitOperationAdd("v10/a b#c?.txt", b"odd"),
        CommitOperationAdd("empty", b""),
    ],
    repo_type="dataset",
    commit_message="artifact: m v1",
)
second = api.create_commit("org/py", [CommitOperationDelete("empty")], repo_type="dataset", commit_message="gone", parent_commit=first.oid)
seen["stale"] = error(
    HfHubHTTPError,
    lambda: api.create_commit("org/py", [CommitOperationAdd("x", b"x")], repo_type="dataset", commit_message="x", parent_commit=first.oid),
)
seen["sha"] = api.repo_info("org/py", repo_type="dataset").sha == second.oid
seen["commits"] = [c.title for c in api.list_repo_commits("org/py", repo_type="dataset")]
tree = list(api.list_repo_tree("org/py", repo_type="dataset", recursive=True, expand=True))
seen["tree"] = {e.path: [e.size, e.blob_id, e.lfs.sha256 if e.lfs else "", e.last_commit.title] for e in tree if hasattr(e, "blob_id")}
seen["dirs"] = sorted(e.path for e in tree if not hasattr(e, "blob_id"))
seen["below"] = sorted(e.path for e in api.list_repo_tree("org/py", "v10", repo_type="dataset"))
seen["info"] = sorted(e.path for e in api.get_paths_info("org/py", ["v1", "v1/manifest.json", "none"], repo_type="dataset"))
with open(hf_hub_download("org/py", "v1/weights.bin", repo_type="dataset"), "rb") as f:
    seen["large"] = f.read() == large
with open(hf_hub_download("org/py", "v10/a b#c?.txt", repo_type="dataset"), "rb") as f:
    seen["odd"] = f.read().decode()
with HfFileSystem().open("datasets/org/py/v1/weights.bin", "rb") as f:
    f.seek(1000)
    seen["range"] = f.read(10) == large[1000:1010]
snapshot_download("org/py", repo_type="dataset")
seen["errors"] = [
    error(EntryNotFoundError, lambda: hf_hub_download("org/py", "none", repo_type="dataset")),
    error(RevisionNotFoundError, lambda: api.repo_info("org/py", repo_type="dataset", revision="none")),
    error(RepositoryNotFoundError, lambda: api.repo_info("org/none")),
    error(RepositoryNotFoundError, lambda: HfApi(token=False).repo_info("org/py", repo_type="dataset")),
    error(GatedRepoError, lambda: hf_hub_download("other/gated", ".gitattributes")),
]
seen["refs"] = sorted(b.ref for b in api.list_repo_refs("org/py", repo_type="dataset").branches)
api.create_pull = api.create_commit(
    "org/py", [CommitOperationAdd("pr", b"pr")], repo_type="dataset", commit_message="pr", create_pr=True
)
seen["pr"] = api.create_pull.pr_revision
seen["in pr"] = api.file_exists("org/py", "pr", repo_type="dataset", revision="refs/pr/1")
json.dump(seen, sys.stdout)
