"""The steps of `groupvit export`, a file each; `groupvit_export.pipeline.api` puts them in order."""
