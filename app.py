import spaces  # noqa: F401  # isort: skip  ZeroGPU: before anything that may touch CUDA
import sys

from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import Settings


def main() -> int:
    """Open the page; return 0 when it was closed, 2 for a wrong setting, 1 if it cannot be opened."""
    try:
        settings = Settings.from_env()
        # Only now: Gradio, too, reads the environment when it is imported, and says less of what is wrong there.
        from bonsai.ui.page import run

        run(settings)
    except BonsaiError as error:
        print(f"bonsai: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
