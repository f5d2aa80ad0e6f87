"""Of Sphinx; `python -m tools.site` builds with it."""

project = "groupvit-export"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "groupvit-export"
html_show_sourcelink = False
html_copy_source = False
# Code of other languages, and consoles with output, are shown as they are.
suppress_warnings = ["misc.highlighting_failure"]
