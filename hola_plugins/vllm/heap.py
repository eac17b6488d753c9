"""How much of the heap is in use, as the allocator of this process tells."""

from __future__ import annotations

import ctypes


class _Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`, as far as it is read."""

    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("unread", ctypes.c_size_t * 3),
        ("mapped", ctypes.c_size_t),
        ("unread_too", ctypes.c_size_t * 2),
        ("in_use", ctypes.c_size_t),
        ("rest", ctypes.c_size_t * 2),
    ]


def heap_bytes() -> int:
    """Gives the bytes that are allocated and not freed, by tcmalloc where it is loaded, else by glibc.

    Raises:
        OSError: The process allocates by neither.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "MallocExtension_GetNumericProperty"):
        value = ctypes.c_size_t()
        library.MallocExtension_GetNumericProperty(b"generic.current_allocated_bytes", ctypes.byref(value))
        return value.value
    if not hasattr(library, "mallinfo2"):
        raise OSError("the allocator does not tell its bytes: use tcmalloc, or glibc 2.33 or newer")
    library.mallinfo2.restype = _Mallinfo
    found = library.mallinfo2()
    return int(found.in_use + found.mapped)
