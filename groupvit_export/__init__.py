"""Checkpoint to bundle: the reference model, its graphs, the targets and the proof that they are equal.

Importing this package imports nothing heavy. From Python:

    from groupvit_export.pipeline import ExportOptions, export_bundle

    result = export_bundle(ExportOptions(target="openvino", checkpoint="my-checkpoint"))

The reference: `groupvit_export.config.GroupViTConfig`, `groupvit_export.model.GroupViTModel`,
`groupvit_export.checkpoint.load_checkpoint` and `build_model`.
"""
