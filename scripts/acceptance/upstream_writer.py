"""Logs versions into a manifest root the way upstream's ManifestTracker does: through fsspec, with the same system calls.

    upstream_writer.py ROOT NAME COUNT DATA TAG

A number is claimed by listing and mkdir; on a collision upstream tries the next number once, and enters that directory whoever made it. Records are written
to a temporary name and moved. A mount refuses what would overwrite another writer's version; then, and only then, we start over.
Prints "K N" when the K-th log has become version N.
"""

import datetime
import json
import os
import posixpath
import re
import sys

import fsspec

import stores


class Writer:
    def __init__(self, root):
        self.fs, self.root = fsspec.filesystem("file"), root
        if "://" in root:  # past any mount
            self.fs, self.root = stores.filesystem(root)
        self.root = self.root.rstrip("/")
        self.fs.makedirs(self.root, exist_ok=True)

    def log(self, name, record):
        home = f"{self.root}/{name}"
        self.fs.makedirs(home, exist_ok=True)
        version = self.claim(home)
        record = {"name": name, "version": version, **record}
        self.put(f"{home}/v{version}/manifest.json", json.dumps(record, indent=2))
        self.put(f"{home}/v{version}/metadata.json", json.dumps(metadata(record), indent=2))
        temporary = f"{home}/.latest_tmp_{os.getpid()}"
        with self.fs.open(temporary, "w") as f:
            f.write(f"v{version}")
        self.fs.mv(temporary, f"{home}/latest")
        return version

    def claim(self, home):
        names = [posixpath.basename(path) for path in self.fs.ls(home, detail=False)]
        version = 1 + max((int(n[1:]) for n in names if re.fullmatch("v[0-9]+", n)), default=0)
        try:
            self.fs.makedirs(f"{home}/v{version}", exist_ok=False)
        except FileExistsError:
            version += 1
            self.fs.makedirs(f"{home}/v{version}", exist_ok=True)
        return version

    def put(self, path, text):
        temporary = f"{path}.tmp.{os.getpid()}"
        with self.fs.open(temporary, "w") as f:
            f.write(text)
        self.fs.mv(temporary, path)


def record(path, tag, k):
    return {
        "type": "Artifact",
        "path": path,
        "created_at": datetime.datetime.now().astimezone().isoformat(),
        "producer": "local",
        "metadata": {"writer": tag, "k": k},
        "inputs": [],
        "used_artifacts": [],
    }


def metadata(record):
    keys = ("path", "type", "metadata", "created_at", "producer")
    return {**{key: record[key] for key in keys}, "tracking": None, "name": record["name"]}


def main(root, name, count, data, tag):
    writer = Writer(root)
    refused = 0
    for k in range(int(count)):
        while True:
            try:
                version = writer.log(name, record(data, tag, k))
                break
            except OSError:
                refused += 1
                if refused > 100 * int(count):
                    raise
        print(k, version, flush=True)
    print(f"{tag}: refused {refused} times", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
