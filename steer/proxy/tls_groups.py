"""Which groups TLS offers for the key exchange. Python's `ssl` can name only one, or leave OpenSSL's whole list."""

from __future__ import annotations

import _ssl
import ctypes
from functools import cache
from pathlib import Path

CONFIGURATION = Path(__file__).with_name("tls_groups.cnf")


@cache
def restrict_groups() -> bool:
    """Contexts that this process makes from now on offer `tls_groups.cnf`'s. False where OpenSSL cannot be reached.

    OpenSSL's own way to set what `ssl` has no call for: a configuration, config(5), with `system_default`. It is read
    on top of the system's, so providers and FIPS mode stay. An OpenSSL that is linked into Python without its symbols
    keeps its list: two groups more, and none that is weak.
    """
    # A Python with `_ssl` built in has the symbols in the program itself.
    library = ctypes.CDLL(getattr(_ssl, "__file__", None))
    try:
        load = library.CONF_modules_load_file
    except AttributeError:
        return False
    load.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong)
    load.restype = ctypes.c_int
    return bool(load(bytes(CONFIGURATION), None, 0) == 1)
