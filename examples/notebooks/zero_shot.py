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
# # Zero-shot segmentation with the reference model
#
# The model's own interface, as Hugging Face documents it: images and words in, similarities and segmentation logits out.
# The checkpoint is the one that the package ships; a Hugging Face folder or hub id, or an NVlabs `.pth`, goes in its place:
# `load_model("nvidia/groupvit-gcc-yfcc")`.

# %%
import matplotlib.pyplot as plt
import torch
from PIL import Image
from transformers import CLIPImageProcessor, PreTrainedTokenizerFast

from groupvit_export import load_model
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_LABELS, DEMO_SAMPLE

plt.rcParams["figure.dpi"] = 60  # small enough to be stored

model = load_model()
vision = model.config.vision_config
print(
    f"{sum(p.numel() for p in model.parameters()):,} parameters; groups by stage: {list(vision.num_output_groups)}"
)

# %% [markdown]
# ## Images and sentences
#
# The checkpoint's own files say how an image is resized and normalized, and what the words' tokens are.

# %%
image = Image.open(DEMO_SAMPLE).convert("RGB")
processor = CLIPImageProcessor.from_pretrained(DEMO_CHECKPOINT)
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(DEMO_CHECKPOINT / "tokenizer.json"))
tokenizer.pad_token = tokenizer.convert_ids_to_tokens(model.config.text_config.eos_token_id)

pixel_values = processor(image, return_tensors="pt")["pixel_values"]
tokens = tokenizer([f"a photo of a {label}." for label in DEMO_LABELS], padding=True, return_tensors="pt")
pixel_values.shape, tokens["input_ids"].shape

# %% [markdown]
# ## Features of either side
#
# Vectors in a joint space, not normalized: their cosine says how well a sentence fits an image.

# %%
with torch.no_grad():
    image_features = model.get_image_features(pixel_values)
    text_features = model.get_text_features(tokens["input_ids"], tokens["attention_mask"])
cosines = torch.nn.functional.cosine_similarity(image_features, text_features)
for label, cosine in sorted(zip(DEMO_LABELS, cosines.tolist(), strict=True), key=lambda pair: -pair[1]):
    print(f"{label:14} {cosine:.3f}")

# %% [markdown]
# ## Zero-shot classification and segmentation
#
# One call for both. `logits_per_image` are the cosines times the learned scale; `segmentation_logits` are the same of the
# groups, spread over the pixels by the groups' soft maps.

# %%
with torch.no_grad():
    out = model(tokens["input_ids"], pixel_values, tokens["attention_mask"], output_segmentation=True)
probabilities = out.logits_per_image.softmax(dim=-1)[0]
best = int(probabilities.argmax())
print(f"the whole image is most of all a {DEMO_LABELS[best]} ({probabilities[best]:.0%})")
labels = out.segmentation_logits[0].argmax(dim=0)
labels.shape

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.imshow(image)
shown = right.imshow(labels, cmap="tab10", vmin=-0.5, vmax=9.5)
bar = figure.colorbar(
    shown, ax=right, ticks=range(len(DEMO_LABELS)), boundaries=[n - 0.5 for n in range(len(DEMO_LABELS) + 1)]
)
bar.ax.set_yticklabels(DEMO_LABELS)
for axis in (left, right):
    axis.set_axis_off()

# %% [markdown]
# **Next:** [from checkpoint to bundle](checkpoint_to_bundle.ipynb) runs the same model without PyTorch, and proves that it is the same.
