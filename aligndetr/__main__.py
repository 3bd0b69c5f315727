"""`python -m aligndetr` is `aligndetr`."""

import sys

from aligndetr.cli import main

sys.exit(main())
