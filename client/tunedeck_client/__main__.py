"""`python -m tunedeck_client` runs `tunedeck-log`."""

import sys

from tunedeck_client.pipe import main

if __name__ == "__main__":
    sys.exit(main())
