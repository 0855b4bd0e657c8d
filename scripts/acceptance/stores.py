"""Opens stores with other people's clients, and moves whole stores with them.

    stores.py ROOT DIRECTORY    puts a directory below ROOT, and prints all that ROOT holds

ROOT is a URI as artifactfs takes it. What is printed is JSON: for each client, paths to content in base64.
"""

import base64
import json
import os
import sys
from urllib.parse import parse_qs

os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # or it asks by gRPC, for a minute
import fsspec  # noqa: E402

AZURITE = "DefaultEndpointsProtocol=http;AccountName={a};AccountKey={k};BlobEndpoint=http://{d}/{a};"


def split(root):
    path, _, query = root.partition("?")
    scheme, _, path = path.partition("://")
    return scheme, path, {k: v[0] for k, v in parse_qs(query).items()}


def filesystem(root):
    """Returns fsspec's file system of a root, and the root's path in it."""
    scheme, path, given = split(root)
    if scheme == "s3":
        return fsspec.filesystem("s3", endpoint_url=given["endpoint"]), path
    if scheme == "gs":
        return fsspec.filesystem("gs", token="anon"), path
    if scheme == "azblob":
        env = os.environ
        at = AZURITE.format(a=env["AZURE_STORAGE_ACCOUNT"], k=env["AZURE_STORAGE_KEY"], d=given["domain"])
        return fsspec.filesystem("az", connection_string=at), path
    return fsspec.filesystem("hf"), path


def below(path, root):
    return path.removeprefix(root + "/").removeprefix(root.replace("@main", "") + "/")


def dump(fs, root):
    found = fs.cat(fs.find(root))
    return {below(p, root): base64.b64encode(v).decode() for p, v in found.items()}


def dump_boto3(root):
    import boto3

    _, path, given = split(root)
    bucket, _, prefix = path.partition("/")
    client = boto3.client("s3", endpoint_url=given["endpoint"], region_name="us-east-1")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [o["Key"] for page in pages for o in page.get("Contents", [])]
    got = {k: client.get_object(Bucket=bucket, Key=k)["Body"].read() for k in keys}
    return {k.removeprefix(prefix).strip("/"): base64.b64encode(v).decode() for k, v in got.items()}


def put(fs, root, directory):
    if fs.protocol == "hf":  # each file would be a commit
        from huggingface_hub import HfApi

        kind, ns, name, below = root.split("/", 3)
        HfApi().upload_folder(repo_id=f"{ns}/{name}", repo_type=kind.rstrip("s"), folder_path=directory, path_in_repo=below)
        return
    fs.put(directory + "/", root + "/", recursive=True)


def main(root, directory):
    fs, path = filesystem(root)
    put(fs, path, directory)
    fs.invalidate_cache()
    out = {"fsspec": dump(fs, path)}
    if root.startswith("s3:"):
        out["boto3"] = dump_boto3(root)
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
