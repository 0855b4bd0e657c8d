"""Plays scenarios of the W&B SDK against a server, and prints what the SDK saw.

    scenarios.py BASE_URL KEY SCRATCH [SCENARIO...]

One line of JSON for each: {"scenario": NAME, "seen": [...]}, or with "failed" and a traceback.
The server takes orders at BASE_URL/_wandbtest: each scenario begins with an empty one. What is
read and written lies in the folder SCRATCH; the environment says where the SDK may write.
"""

import datetime
import json
import os
import sys
import traceback
import urllib.request

import wandb

BASE, KEY, SCRATCH = sys.argv[1:4]
ENTITY, PROJECT = "team", "nemotron"
FILES = {"a b é.txt": b"unicode and space\n", "empty": b"", "one": b"1", "train/00.bin": bytes(range(256)) * 4}

FEATURES = os.environ.get("WANDBTEST_FEATURES", "modern")
DIR = ""  # a scenario's own folder in the scratch folder
seen = []


def order(what, **args):
    """Tells the server to do something out of the ordinary."""
    req = urllib.request.Request(f"{BASE}/_wandbtest/{what}", json.dumps(args).encode(), method="POST")
    urllib.request.urlopen(req).read()


def tree(name, files=FILES):
    root = os.path.join(DIR, name)
    for path, content in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content)
    return root


def init(name="run0001", plain=True, **args):
    settings = wandb.Settings(console="off", disable_git=True, x_disable_stats=plain, x_disable_meta=plain)
    return wandb.init(entity=ENTITY, project=PROJECT, id=name, name="a-run", job_type="data-prep", config={"lr": 0.1},
                      settings=settings, **args)


def artifact(name="data", files=FILES, **args):
    a = wandb.Artifact(name, args.pop("type", "dataset"), **args)
    if files:
        a.add_dir(tree("files", files))
    return a


def saw(a):
    """Writes down a version: what its manifest has, but not empty values."""
    entries = {}
    for path, e in sorted(a.manifest.entries.items()):
        all = {"digest": e.digest, "ref": e.ref, "size": e.size, "extra": e.extra}
        entries[path] = {k: v for k, v in sorted(all.items()) if v}
    seen.append({"aliases": sorted(a.aliases), "digest": a.digest, "entries": entries, "id": a.id, "name": a.name,
                 "size": a.size, "version": a.version})


def log(a, aliases=None, look=True, **args):
    with init(**args) as run:
        run.log_artifact(a, aliases=aliases)
        a.wait()
        if look:
            saw(a)
    return a


def one_version(aliases=("latest", "prod")):
    log(artifact(metadata={"pack_size": 4096}), list(aliases), look=False, name="setup001")


OTHER = {**FILES, "one": b"2"}


def two_versions():
    one_version()
    log(artifact(files=OTHER, metadata={"pack_size": 8192}), look=False, name="setup002")


def get(name):
    return wandb.Api().artifact(f"{ENTITY}/{PROJECT}/{name}")


def error(e, **args):
    seen.append({**args, "error": type(e).__name__, "text": str(e)})


# ---- scenarios: what is seen is what a user of the SDK sees ----


def login():
    seen.append({"entity": wandb.Api().default_entity})
    wandb.Api().viewer


def wrong_key():
    try:
        wandb.Api(api_key="0" * 40)
    except Exception as e:
        error(e)


def run_lifecycle():
    with init(plain=False) as run:
        run.log({"loss": 1.0})


def run_resume():
    init().finish()
    with init(resume="allow") as run:
        run.log({"loss": 0.5})


def log_files():
    log(artifact(metadata={"pack_size": 4096, "nan": float("nan")}, description="split"), ["prod", "latest"])


def log_dedupe():
    one_version()
    log(artifact(metadata={"pack_size": 1}), ["staging", "latest"])


def log_next_version():
    one_version()
    log(artifact(files=OTHER, metadata={"pack_size": 8192}))


def log_incremental():
    one_version()
    a = wandb.Artifact("data", "dataset", incremental=True)
    with a.new_file("extra.txt") as f:
        f.write("extra")
    log(a, look=False)
    seen.append({"version": a.version})


def reference(collection, uri, type="dataset", metadata=None, description=None, **args):
    a = wandb.Artifact(collection, type, metadata=metadata, description=description)
    a.add_reference(uri, **args)
    return a


def data_by_reference():
    """Logs a folder as Nemotron's tracker does."""
    return reference("ref-data", "file://" + tree("data"), name="output", checksum=False, type="PretrainDataArtifact",
                     metadata={"created_at": datetime.datetime.now().isoformat(), "num_shards": 4})


def data_by_content():
    return reference("ref-sum", "file://" + tree("data"), name="output", type="PretrainDataArtifact")


def log_reference_no_checksum():
    log(data_by_reference())


def log_reference_checksum():
    log(data_by_content())


def log_reference_s3():
    log(reference("ref-s3", "s3://bucket/prefix", name="output", checksum=False))


def log_reference_https():
    log(reference("ref-https", "https://huggingface.co/datasets/org/name", name="data", checksum=False,
                  metadata={"source_uri": "hf://org/name"}))


def log_reference_artifact():
    one_version()
    with init() as run:
        entry = run.use_artifact("data:latest").get_entry("one")
        a = wandb.Artifact("derived", "dataset")
        a.add_reference(entry, name="copy")
        run.log_artifact(a)
        a.wait()
        saw(a)


def log_checkpoint():
    save = os.path.join(DIR, "save")
    at = tree("save/iter_0000020", {"weights.distcp": b"w" * 64})
    a = reference("save", "file://" + at, checksum=False, type="model", metadata={"iteration": 20, "absolute_path": save})
    log(a, ["latest", "iter_0000020"])


def log_xxh128():
    log(artifact("xxh", digest_algorithm="XXH128"))


def log_md5_on_xxh_server():
    log(artifact("md5"))


def use_artifact():
    one_version()
    with init() as run:
        run.use_artifact("data:latest")
        run.use_artifact("data:v0")


def use_new_artifact():
    with init() as run:
        a = reference("org-ds", "https://huggingface.co/datasets/org/ds", name="data", checksum=False,
                      metadata={"source_uri": "hf://org/ds"}, description="Source: hf://org/ds")
        used = run.use_artifact(a)
        used.wait()
        seen.append({"name": used.name, "version": used.version})
        try:
            seen.append({"logged_by": used.logged_by()})
        except Exception as e:
            seen.append({"logged_by_error": type(e).__name__})


def artifact_by_name():
    two_versions()
    for name in ["data:latest", "data:v0", "data:prod", "data:v9", "nothing:latest", "data"]:
        try:
            a = get(name)
            seen.append({"asked": name, "version": a.version, "aliases": a.aliases, "digest": a.digest, "type": a.type,
                         "metadata": a.metadata, "state": a.state})
        except Exception as e:
            seen.append({"asked": name, "error": type(e).__name__})
    api = wandb.Api()
    seen.append({"exists": api.artifact_exists(f"{ENTITY}/{PROJECT}/data:v1"), "missing": api.artifact_exists(f"{ENTITY}/{PROJECT}/data:v7")})


def listing():
    two_versions()
    api = wandb.Api()
    seen.append({"types": [t.name for t in api.artifact_types(f"{ENTITY}/{PROJECT}")]})
    collections = list(api.artifact_type("dataset", f"{ENTITY}/{PROJECT}").collections())
    seen.append({"collections": [c.name for c in collections]})
    try:
        seen.append({"aliases": sorted(collections[0].aliases)})
    except Exception as e:
        seen.append({"aliases_error": type(e).__name__})
    seen.append({"versions": sorted(a.version for a in api.artifacts("dataset", f"{ENTITY}/{PROJECT}/data"))})


def sizes(root):
    out = {}
    for folder, _, names in os.walk(root):
        for n in names:
            full = os.path.join(folder, n)
            out[os.path.relpath(full, root)] = os.path.getsize(full)
    return dict(sorted(out.items()))


def download():
    one_version()
    a = get("data:latest")
    seen.append({"entries": {k: e.digest for k, e in sorted(a.manifest.entries.items())}})
    root = a.download(os.path.join(DIR, "got"), skip_cache=True)
    seen.append({"files": sizes(root)})
    a.verify(root)
    seen.append({"verified": True})


def download_one():
    one_version()
    a = get("data:latest")
    seen.append({"path": os.path.basename(a.get_entry("train/00.bin").download(os.path.join(DIR, "got"), skip_cache=True))})
    for f in a.files(names=["one"]):
        seen.append({"name": f.name, "size": f.size, "digest": f.digest})
        try:
            f.download(os.path.join(DIR, "got"), replace=True).close()
        except Exception as e:
            error(e)


def download_references():
    with init("setup001") as run:
        for a in data_by_content(), data_by_reference():
            run.log_artifact(a).wait()
    seen.append({"files": len(os.listdir(get("ref-sum:latest").download(os.path.join(DIR, "got"))))})
    try:
        get("ref-data:latest").download(os.path.join(DIR, "got2"))
        seen.append({"no_checksum": "downloaded"})
    except Exception as e:
        seen.append({"no_checksum": str(e)})


def expired_url():
    one_version()
    a = get("data:latest")
    a.manifest
    order("fail", op="GET", status=403, body="<Error><Code>AccessDenied</Code></Error>")
    try:
        a.download(os.path.join(DIR, "got"), skip_cache=True)
        seen.append({"downloaded": True})
    except Exception as e:
        error(e, downloaded=False)


def lineage():
    one_version()
    with init("setup003") as run:
        run.use_artifact("data:latest")
    a = get("data:latest")
    seen.append({"logged_by": a.logged_by().id, "used_by": [r.id for r in a.used_by()]})
    api = wandb.Api()
    logged = api.run(f"{ENTITY}/{PROJECT}/setup001").logged_artifacts()
    used = api.run(f"{ENTITY}/{PROJECT}/setup003").used_artifacts()
    seen.append({"logged": [x.name for x in logged], "used": [x.name for x in used]})


def aliases():
    two_versions()
    a = get("data:v1")
    a.aliases.append("best")
    a.save()
    a = get("data:v0")
    a.aliases.append("best")
    a.aliases.remove("prod")
    a.save()
    seen.append({v: sorted(get("data:" + v).aliases) for v in ("v0", "v1")})


def update():
    one_version()
    a = get("data:latest")
    a.metadata, a.description, a.ttl = {"pack_size": 1}, "better", datetime.timedelta(days=7)
    a.tags = ["gold"]
    a.save()


def link_registry():
    one_version()
    with init() as run:
        run.link_artifact(run.use_artifact("data:latest"), "wandb-registry-model/best-data", aliases=["gold"])
    a = wandb.Api().artifact("wandb-registry-model/best-data:gold")
    seen.append({"aliases": sorted(a.aliases), "is_link": a.is_link, "name": a.name, "source": a.source_name, "version": a.version})
    got = a.download(os.path.join(DIR, "got"), skip_cache=True)
    seen.append({"files": sorted(os.path.basename(n) for n in sizes(got))})


def log_and_link():
    with init() as run:
        a = run.log_artifact(artifact())
        run.link_artifact(a, f"{ENTITY}/{PROJECT}/linked", aliases=["x"])


def delete():
    two_versions()
    get("data:v0").delete(delete_aliases=True)


def faults():
    order("fail", op="createArtifact", status=429, header={"Retry-After": "1", "RateLimit-Remaining": "0", "RateLimit-Reset": "1"})
    order("fail", op="PUT", status=503, body="slow down")
    order("fail", op="commitArtifact", status=500)
    log(artifact())


def commit_conflict():
    order("fail", op="commitArtifact", status=409, body='{"errors": [{"message": "conflict"}]}')
    with init() as run:
        try:
            run.log_artifact(artifact()).wait()
        except Exception as e:
            error(e)


XXH = {"log_xxh128", "log_md5_on_xxh_server"}  # need a server that has these digests


def play(name):
    global DIR
    DIR = os.path.join(SCRATCH, name)
    order("reset", features="xxh" if name in XXH else FEATURES)
    seen.clear()
    line = {"scenario": name}
    try:
        globals()[name]()
        line["seen"] = seen
    except BaseException:
        line["failed"] = traceback.format_exc()
    print(json.dumps(line, ensure_ascii=False), flush=True)


for name in sys.argv[4:]:
    play(name)
wandb.teardown()
