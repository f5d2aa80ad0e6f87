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
# # From checkpoint to bundle to label map
#
# An export captures the model as a graph, builds engines of it, and compares their *decisions* with the reference in
# float64 before it writes anything.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from groupvit_export import ExportOptions, export, load_model, verify
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_runtime import Segmenter

plt.rcParams["figure.dpi"] = 60  # small enough to be stored

folder = Path(tempfile.mkdtemp())
result = export(ExportOptions(target="openvino", precision="fp32", output=folder / "bundle"))
print(
    f"{result.manifest.verdict}, digest {result.digest[:16]}..., {sum(file.bytes for file in result.manifest.all_files) / 1e6:.1f} MB"
)

# %% [markdown]
# ## What was compared
#
# `groupvit verify` compares again, on any machine. Every row is an output or a decision, with the largest error that was
# found and the largest that is allowed.

# %%
report = verify(result.path).report
print(report.verdict, f"in {report.seconds:.0f} s, {len(report.cases)} runs")
for row in report.rows[:12]:
    cell = next(iter(row.cells.values()))
    if cell.value is not None and cell.budget is not None:
        print(
            f"{row.key.kind.value:28} stage {row.key.stage or '-'}   {cell.value:9.2g} of {cell.budget:9.2g}"
        )

# %% [markdown]
# ## The bundle, without PyTorch

# %%
segmenter = Segmenter.load(result.path)
found = segmenter(DEMO_SAMPLE, list(DEMO_LABELS))
print(segmenter.engine_description, {name: round(share, 3) for name, share in found.shares().items()})
figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
axis.imshow(found.overlay())
axis.set_axis_off()

# %% [markdown]
# ## Where a flip comes from
#
# In every grouping block each token joins one group: an argmax. An engine that is right to 1e-6 can only decide otherwise
# where the two best groups are as close as that. So the *margin* between them says which decisions any rounding can change.

# %%
import torch

from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.read_image import read_image

model = load_model()
pixels = prepare_whole(
    read_image(DEMO_SAMPLE), segmenter.manifest.model.image_size, segmenter.manifest.preprocessing.hf
)
with torch.no_grad():
    vision = model.vision_model(torch.from_numpy(pixels[None]), output_attentions=True)
soft = vision.attentions[0][0].double()
best, second = soft.topk(2, dim=0).values
margins = (best.log() - second.log()).numpy()
height, width = segmenter.manifest.model.grid

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
shown = left.imshow(margins.reshape(height, width), cmap="magma")
left.set_title("margin of every token of stage 1 (logits)")
left.set_axis_off()
figure.colorbar(shown, ax=left)
right.hist(np.log10(margins), bins=30)
right.axvline(-6, color="red")
right.set_xlabel("log10 of the margin; red: what float32 rounds")
right.set_ylabel("tokens")
print(f"{(margins < 1e-3).sum()} of {margins.size} tokens within 1e-3, {(margins < 1e-6).sum()} within 1e-6")

# %% [markdown]
# **Next:** [choosing precision and threads](precision_and_threads.ipynb); what "equal" means in full: [parity.md](../../docs/parity.md).
