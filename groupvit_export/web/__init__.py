"""The page that runs a bundle in a browser, and what serves it to one on this machine."""
