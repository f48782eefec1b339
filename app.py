import spaces  # noqa: F401  # isort: skip  ZeroGPU: before anything that may touch CUDA
import sys

from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import Settings
from bonsai.ui.page import run


def main() -> int:
    """Open the page; return 0 when it was closed, 2 for a wrong setting, 1 if it cannot be opened."""
    try:
        run(Settings.from_env())
    except BonsaiError as error:
        print(f"bonsai: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
