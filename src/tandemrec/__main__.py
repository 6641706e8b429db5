"""`python -m tandemrec`."""

import sys

from tandemrec.cli import main

sys.exit(main())
