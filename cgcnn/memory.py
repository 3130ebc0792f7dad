"""How a process deals with memory that it has freed."""

import ctypes
import sys

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # bytes, the most that glibc takes
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed for what is asked for next; for the whole process, and to its end.

    glibc gives large arrays back to the operating system, and gets new ones from it, page by page and full of zeros.
    A training frees and asks for the same arrays in each step: up to a fifth of its time on a CPU goes into that, for
    arrays of some megabytes (batches of 256 small cells); a few percent for smaller and for larger ones.

    Returns:
        Whether the C library can do that: glibc alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
