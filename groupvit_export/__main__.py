"""`python -m groupvit_export` is `groupvit`."""

import sys

from groupvit_export.cli import main

sys.exit(main())
