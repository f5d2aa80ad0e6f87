# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Choosing precision and threads
#
# The precision that is fastest on one processor is the slowest on the next, so it is measured where it will run. `groupvit
# bench A B --compare` is the tool for it; here are its parts, on a model that is far too small to say anything about yours.

# %%
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from groupvit_export import ExportOptions, export
from groupvit_runtime.instruction_sets import byte_products
from groupvit_runtime.processor import processor_flags

plt.rcParams["figure.dpi"] = 60  # small enough to be stored

found = byte_products(processor_flags())
print("this processor multiplies bytes by", "unknown" if found is None else found.title)
folder = Path(tempfile.mkdtemp())
bundles = {
    precision: export(ExportOptions(target="onnx", precision=precision, output=folder / precision)).path
    for precision in ("fp32", "w16")
}

# %% [markdown]
# ## Side by side, in turns
#
# The bundles are called by turns in one run, so that a machine that slows down slows both. Twenty rounds are few; the
# default is a hundred, and the records say themselves where the machine was busy.

# %%
measured = folder / "measured.jsonl"
options = ["--labels", "sky,grass,tree", "--threads", "1,2", "--rounds", "20", "--cold", "0", "--quiet"]
command = [sys.executable, "-m", "groupvit_export", "bench", *map(str, bundles.values()), *options]
subprocess.run([*command, "--json", str(measured)], check=True)
records = [json.loads(line) for line in measured.read_text().splitlines()]
for record in records:
    latency = record["latency"]
    print(f"{record['bundle']['precision']}, {record['setting']['threads']} threads: {latency['p50']:.1f} ms")
    print("   ", *sorted({caution["kind"] for caution in record["cautions"]}))

# %% [markdown]
# ## Where the time goes
#
# Reading, resizing and decoding do not get faster with the engine's precision.

# %%
figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
names = [f"{record['bundle']['precision']}, {record['setting']['threads']} thr." for record in records]
left = [0.0] * len(records)
for stage in ("read", "preprocess", "engine", "postprocess"):
    widths = [next(one["median"] for one in record["stages"] if one["name"] == stage) for record in records]
    axis.barh(names, widths, left=left, label=stage)
    left = [start + width for start, width in zip(left, widths, strict=True)]
axis.set_xlabel("milliseconds (medians)")
axis.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.3))

# %% [markdown]
# `w16` stores half the bytes and computes in float32, so it is no faster: it is for downloads. What halves the time, bf16 or
# int8, depends on the processor: [precision.md](../../docs/precision.md).
#
# **Next:** [what the two stages see](groups.ipynb); how figures are made that can be relied on:
# [benchmarking.md](../../docs/benchmarking.md).
