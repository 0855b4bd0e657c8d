"""Logs a reference to an object, overwrites the object, and logs it again: overwritten.py URI...

Each object is the artifact of its URI's scheme, in the project team/nemotron. Printed is
what the SDK itself downloads of the first version when there is a second.
"""

import os
import sys
import urllib.parse

import wandb

GOOGLE = os.environ.get("GOOGLE_PACKAGES")


def put(uri, content):
    u = urllib.parse.urlparse(uri)
    key = u.path.lstrip("/")
    if u.scheme == "s3":
        import boto3

        s3 = boto3.client("s3", endpoint_url=os.environ["AWS_S3_ENDPOINT_URL"], region_name="us-east-1")
        s3.put_object(Bucket=u.netloc, Key=key, Body=content)
    else:
        from google.cloud import storage

        storage.Client(project="test").bucket(u.netloc).blob(key).upload_from_string(content)


if GOOGLE:
    sys.path.append(GOOGLE)
settings = wandb.Settings(console="off", disable_git=True, x_disable_stats=True, x_disable_meta=True)
with wandb.init(entity="team", project="nemotron", settings=settings) as run:
    for uri in sys.argv[1:]:
        name = uri.split(":")[0]
        for content in [b"one", b"two"]:
            put(uri, content)
            a = wandb.Artifact(name, "dataset")
            a.add_reference(uri, name="f")
            run.log_artifact(a).wait()
for uri in sys.argv[1:]:
    name = uri.split(":")[0]
    with open(wandb.Api().artifact(f"team/nemotron/{name}:v0").download() + "/f") as f:
        print(name, f.read())
