"""Memory of a server: the resident memory of its processes, or that of the device where there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LOOK_EVERY_S = 0.5

_WEIGHT_FILES = ("*.safetensors", "*.bin", "*.gguf")


def checkpoint_bytes(model: str) -> int | None:
    """Gives the size of a model's weight files; None for a hub id that is not in the local cache."""
    folder = Path(model) if Path(model).is_dir() else _cached(model)
    if folder is None:
        return None
    for pattern in _WEIGHT_FILES:
        if files := list(folder.glob(pattern)):
            return sum(file.stat().st_size for file in files)
    return None


class MemoryWatch:
    """Watches the memory of all processes below one, from its making on.

    On a CPU the resident memory of the processes is added up, what they share counted in each. Where NVML finds
    devices, it is the memory in use on them, whoever uses it.

    Args:
        pid: The process above the ones to watch.
    """

    def __init__(self, pid: int) -> None:
        self.peak: int | None = None
        self._read = _device_memory() or _resident_memory(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops watching; the peak stays."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.is_set():
            used = self._read()
            if used:
                self.peak = max(used, self.peak or 0)
            self._ended.wait(_LOOK_EVERY_S)


def _resident_memory(pid: int) -> Callable[[], int]:
    """Gives a function that adds up the resident memory of the processes below one."""
    try:
        import psutil
    except ImportError as error:
        message = "'psutil' is not installed. Install it with: pip install 'hola-plugins[pilot]'"
        raise ImportError(message) from error

    def resident() -> int:
        total = 0
        try:
            below = psutil.Process(pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return 0
        for process in below:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    return resident


def _device_memory() -> Callable[[], int] | None:
    """Gives a function that reads the memory in use on all devices; None without NVML or devices."""
    try:
        import pynvml
    except ImportError:
        return None
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        devices = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return None
    if not devices:
        return None
    return lambda: sum(int(nvml.nvmlDeviceGetMemoryInfo(device).used) for device in devices)


def _cached(model: str) -> Path | None:
    """Finds a hub id in the local cache."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        return Path(snapshot_download(model, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
