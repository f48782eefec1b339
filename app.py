import spaces  # noqa: F401  # isort: skip  ZeroGPU: before anything that may touch CUDA
import sys

from bonsai.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["serve"]))
