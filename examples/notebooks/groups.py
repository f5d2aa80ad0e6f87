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
# # Groups: what the two stages see
#
# GroupViT merges patches into groups by two *grouping blocks*, with no word in sight; words only name the groups afterwards.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from groupvit_export import ExportOptions, export
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_runtime import Segmenter

plt.rcParams["figure.dpi"] = 60  # small enough to be stored

bundle = export(
    ExportOptions(target="onnx", precision="fp32", output=Path(tempfile.mkdtemp()) / "bundle")
).path
segmenter = Segmenter.load(bundle)
found = segmenter(DEMO_SAMPLE, list(DEMO_LABELS))

# %%
stages = len(segmenter.manifest.model.groups)
figure, axes = plt.subplots(1, stages + 2, figsize=(12, 3.2), layout="constrained")
axes[0].imshow(found.image)
axes[0].set_title("image")
for stage in range(1, stages + 1):
    groups = found.groups(stage)
    axes[stage].imshow(groups % 20, cmap="tab20")
    axes[stage].set_title(f"stage {stage}: {len(set(groups.ravel().tolist()))} groups in use")
axes[-1].imshow(found.labels, cmap="tab10")
axes[-1].set_title("named")
for axis in axes:
    axis.set_axis_off()

# %% [markdown]
# ## What a group is about
#
# A group of the last stage has an embedding; the words that are nearest to it name its pixels.

# %%
for group, words in enumerate(found.group_words(top=2)):
    print(group, words)

# %% [markdown]
# ## How sure it is
#
# The score of a pixel's class, and where one class scores.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
figure.colorbar(left.imshow(found.confidence, cmap="viridis", vmin=0, vmax=1), ax=left)
left.set_title("confidence")
figure.colorbar(right.imshow(found.heatmap("tree"), cmap="magma", vmin=0, vmax=1), ax=right)
right.set_title("tree")
for axis in (left, right):
    axis.set_axis_off()

# %% [markdown]
# **Next:** thresholds, negative words and files for other tools: [segment.md](../../docs/segment.md).
