"""Run a command that cannot open a socket, and list what it tried: `no_sockets.py LOG COMMAND...`.

A name cannot be resolved without a socket, so none means no DNS either. The kernel stops every `socket` call
of the command and of its children, also those that do not go through the C library, and asks (seccomp's user
notification); the answer is "permission denied", and a line in LOG.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

REFUSED: Final = 117
"""Exit status where seccomp's user notification is not to be had: not Linux, or forbidden by a container."""

# By machine: AUDIT_ARCH, and the numbers of socket(2) and seccomp(2).
_MACHINES: Final = {"x86_64": (0xC000003E, 41, 317), "aarch64": (0xC00000B7, 198, 277)}

_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_FILTER_FLAG_NEW_LISTENER: Final = 1 << 3
_SECCOMP_RET_USER_NOTIF: Final = 0x7FC00000
_SECCOMP_RET_ALLOW: Final = 0x7FFF0000
_SECCOMP_IOCTL_NOTIF_RECV: Final = 0xC0502100
_SECCOMP_IOCTL_NOTIF_SEND: Final = 0xC0182101
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16), ("true", ctypes.c_uint8), ("false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction))]


def _listen() -> int:
    """Ask about every `socket` call of this process and its children from now on.

    Returns:
        The descriptor on which the questions arrive.

    Raises:
        OSError: it is not to be had here.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        raise OSError(f"{sys.platform} on {platform.machine()}")
    architecture, socket_call, seccomp_call = _MACHINES[platform.machine()]
    instructions = (_Instruction * 6)(
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 0, 3, architecture),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, socket_call),
        (_RETURN, 0, 0, _SECCOMP_RET_USER_NOTIF),
        (_RETURN, 0, 0, _SECCOMP_RET_ALLOW),
    )
    libc = ctypes.CDLL(None, use_errno=True)
    listener = -1
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        program = _Program(len(instructions), instructions)
        listener = libc.syscall(
            seccomp_call, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_NEW_LISTENER, ctypes.byref(program)
        )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return listener


def _run(command: Sequence[str], channel: socket.socket) -> None:
    try:
        listener = _listen()
    except OSError as error:
        print(error, file=sys.stderr)
        os._exit(REFUSED)
    socket.send_fds(channel, [b"."], [listener])
    os.execvp(command[0], command)


def _answer(listener: int) -> str:
    """Deny one call; the family of the socket."""
    question = bytearray(_NOTIFICATION.size)
    fcntl.ioctl(listener, _SECCOMP_IOCTL_NOTIF_RECV, question)
    identity, *_, family = _NOTIFICATION.unpack(question)[:7]
    fcntl.ioctl(listener, _SECCOMP_IOCTL_NOTIF_SEND, bytearray(_RESPONSE.pack(identity, 0, -13, 0)))
    return socket.AddressFamily(family).name


def main(log: Path, command: Sequence[str]) -> int:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _run(command, theirs)
    theirs.close()
    _, listeners, *_ = socket.recv_fds(ours, 1, 1)
    with log.open("w") as lines:
        if not listeners:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        poll = select.poll()
        poll.register(listeners[0], select.POLLIN)
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if any(event & select.POLLIN for _, event in poll.poll(50)):
                try:
                    print(_answer(listeners[0]), file=lines)
                except FileNotFoundError:  # who called was killed meanwhile
                    print("killed", file=lines)
            elif ended:
                return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
