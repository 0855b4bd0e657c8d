"""Logs artifacts of every kind with W&B's SDK: log.py DATA [XXH128]

DATA is a folder. Each artifact lies in the project team/nemotron.
"""

import os
import sys

import wandb

DATA = sys.argv[1]
XXH = "XXH128" in sys.argv


def run(name):
    settings = wandb.Settings(console="off", disable_git=True, x_disable_stats=True, x_disable_meta=True)
    return wandb.init(entity="team", project="nemotron", id=name, settings=settings)


def log(r, a, aliases=None):
    r.log_artifact(a, aliases=aliases).wait()


first = run("first")
options = {"digest_algorithm": "XXH128"} if XXH else {}
files = wandb.Artifact("files", "dataset", metadata={"n": 1, "nested": {"é": [1.5, None]}}, description="words", **options)
files.add_dir(DATA)
log(first, files, ["latest", "prod"])

unchecked = wandb.Artifact("unchecked", "SFTDataArtifact")
unchecked.add_reference("file://" + DATA, name="output", checksum=False)
unchecked.add_file(os.path.join(DATA, "metadata.json"))
log(first, unchecked)

checked = wandb.Artifact("checked", "dataset")
checked.add_reference("file://" + DATA, checksum=True)
log(first, checked)

checkpoint = wandb.Artifact("checkpoint", "model", metadata={"iteration": 20, "absolute_path": DATA})
checkpoint.add_reference("file://" + os.path.join(DATA, "iter_0000020"), checksum=False)
log(first, checkpoint, ["iter_0000020"])
first.finish()

second = run("second")
used = second.use_artifact("files:latest")
mixed = wandb.Artifact("mixed", "dataset")
mixed.add_reference(used.get_entry("train/00.bin"), name="linked.bin")
mixed.add_file(os.path.join(DATA, "one"), name="own/one")
mixed.add_reference("s3://bucket/key", name="s3.bin", checksum=False)
log(second, mixed)

more = wandb.Artifact("files", "dataset", incremental=True)
with more.new_file("added.txt") as f:
    f.write("added")
log(second, more)
second.finish()
