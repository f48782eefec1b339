"""`python -m bonsai`."""

import sys

from bonsai.cli.main import main

sys.exit(main())
