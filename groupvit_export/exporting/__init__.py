"""The steps of `groupvit export`, a file each; `groupvit_export.pipeline` puts them in order."""
