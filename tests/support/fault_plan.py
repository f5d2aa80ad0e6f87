"""What `faults.c` reads: which operation fails or kills, and where operations count."""

from __future__ import annotations

import ctypes


class Plan(ctypes.Structure):
    _fields_ = [
        ("at", ctypes.c_int),
        ("code", ctypes.c_int),
        ("onwards", ctypes.c_int),
        ("victim", ctypes.c_int),
        ("count", ctypes.c_int),
        ("roots", (ctypes.c_char * 1024) * 2),
        ("log", ctypes.c_char * 1024),
    ]
