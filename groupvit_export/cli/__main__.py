"""`python -m groupvit_export.cli`."""

import sys

from groupvit_export.cli import main

sys.exit(main())
