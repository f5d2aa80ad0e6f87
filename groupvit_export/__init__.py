"""Checkpoint to bundle: the reference model, its graphs, the targets and the proof that they are equal.

Importing this package imports nothing heavy. From Python:

    from groupvit_export.pipeline.api import ExportOptions, export_bundle

    result = export_bundle(ExportOptions(target="openvino", checkpoint="my-checkpoint"))

The reference: `groupvit_export.model.config.GroupViTConfig`, `groupvit_export.model.GroupViTModel`,
`groupvit_export.checkpoint.load.load_checkpoint` and `build_model`.
"""
