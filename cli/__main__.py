"""`python -m git_hone.cli`."""

import sys

from git_hone.cli import main

sys.exit(main())
