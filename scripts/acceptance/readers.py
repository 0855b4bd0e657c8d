"""The readers that training jobs use, on files that are made natively and checked through the mount.

    readers.py make DIR     writes them
    readers.py check DIR    reads them every way these libraries can, and compares
"""

import mmap
import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

ROWS = 50_000
TOKENS = np.arange(200_000, dtype=np.int32)
WEIGHTS = {"w": np.arange(30_000, dtype=np.float32).reshape(300, 100), "b": np.ones(7, dtype=np.float16)}


def table():
    return pa.table({"id": np.arange(ROWS), "text": [f"row {i}" for i in range(ROWS)]})


def make(top):
    os.makedirs(f"{top}/train", exist_ok=True)
    for i in range(3):
        pq.write_table(table(), f"{top}/train/{i:02d}.parquet", row_group_size=10_000)
    save_file(WEIGHTS, f"{top}/model.safetensors")
    np.save(f"{top}/tokens.npy", TOKENS)
    TOKENS.tofile(f"{top}/tokens.bin")


def check(top):
    for use_mmap in (False, True):
        got = pq.read_table(f"{top}/train/00.parquet", memory_map=use_mmap)
        assert got.equals(table()), f"parquet, memory_map={use_mmap}"
    files = pa.dataset.dataset(f"{top}/train")
    assert files.count_rows() == 3 * ROWS, "dataset"
    assert pq.ParquetFile(f"{top}/train/01.parquet").read_row_group(2)["id"][0].as_py() == 20_000, "row group"

    loaded = load_file(f"{top}/model.safetensors")
    assert all(np.array_equal(loaded[k], v) for k, v in WEIGHTS.items()), "safetensors"
    with safe_open(f"{top}/model.safetensors", "np") as f:
        assert np.array_equal(f.get_slice("w")[10:20], WEIGHTS["w"][10:20]), "safetensors slice"

    for mode in ("r", "c"):
        assert np.array_equal(np.load(f"{top}/tokens.npy", mmap_mode=mode), TOKENS), f"npy, mmap_mode={mode}"
        assert np.array_equal(np.memmap(f"{top}/tokens.bin", dtype=np.int32, mode=mode), TOKENS), f"memmap {mode}"
    with open(f"{top}/tokens.bin", "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        assert m[4000:4004] == TOKENS[1000:1001].tobytes(), "mmap"


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])
