"""Downloads a repository as huggingface_hub does, and prints what it got."""

import json
import os
import sys

from huggingface_hub import snapshot_download

root = snapshot_download(sys.argv[1])
files = {}
for at, _, names in os.walk(root):
    for name in names:
        with open(os.path.join(at, name), encoding="utf-8") as f:
            files[os.path.relpath(os.path.join(at, name), root)] = f.read()
json.dump(files, sys.stdout)
