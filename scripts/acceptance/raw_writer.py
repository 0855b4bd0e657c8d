"""Logs versions straight into a manifest root, past any mount, as a careful program of one's own would.

    raw_writer.py ROOT NAME COUNT DATA TAG

A number is claimed by exclusive mkdir, and on a collision the next one is tried until one is free. Prints "K N" as upstream_writer.py does.
"""

import json
import os
import sys

from upstream_writer import metadata, record


def claim(home):
    os.makedirs(home, exist_ok=True)
    numbers = [int(n[1:]) for n in os.listdir(home) if n[:1] == "v" and n[1:].isdigit()]
    version = 1 + max(numbers, default=0)
    while True:
        try:
            os.mkdir(f"{home}/v{version}")
            return version
        except FileExistsError:
            version += 1


def put(path, text):
    temporary = f"{path}.tmp.{os.getpid()}"
    with open(temporary, "w") as f:
        f.write(text)
    os.replace(temporary, path)


def main(root, name, count, data, tag):
    home = f"{root}/{name}"
    for k in range(int(count)):
        version = claim(home)
        written = {"name": name, "version": version, **record(data, tag, k)}
        put(f"{home}/v{version}/metadata.json", json.dumps(metadata(written), indent=2))
        put(f"{home}/v{version}/manifest.json", json.dumps(written, indent=2))
        print(k, version, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
