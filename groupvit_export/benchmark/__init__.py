"""How fast bundles are on this machine: sampling, statistics, comparison and reports. Needs the runtime only.

Milliseconds are the unit of everything that is reported; clocks give seconds.
"""
