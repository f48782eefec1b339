"""The most memory that a process uses while it works."""

import gc
import threading

import psutil
import torch

_SECONDS_BETWEEN_LOOKS = 0.05


class MemoryPeak:
    """The most memory in use while it is open: of the GPU if there is one, else of the process, looked at often."""

    def __enter__(self) -> "MemoryPeak":
        gc.collect()
        self.peak = 0
        """Bytes."""
        self._gpu = torch.cuda.is_available()
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._supervise, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        if self._gpu:
            self.peak = torch.cuda.max_memory_allocated()

    def _supervise(self) -> None:
        process = psutil.Process()
        while True:
            self.peak = max(self.peak, process.memory_info().rss)
            if self._over.wait(_SECONDS_BETWEEN_LOOKS):
                return
