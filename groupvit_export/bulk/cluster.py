"""Ray: a cluster that runs already, or one that is started on this machine and ends with this process."""

from __future__ import annotations

import functools
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from groupvit_export.bulk.options import Resources
from groupvit_export.descendants import ending_with_us
from groupvit_export.errors import GroupViTError, MissingDependencyError, UsageError
from groupvit_runtime.install_hint import install_hint
from groupvit_runtime.processors import usable_cores
from groupvit_runtime.temporary import scratch_folder

_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else it warns of what it will do in versions to come.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""While Ray runs."""

_NICENESS: Final = "RAY_worker_niceness"
"""Of actors; else 15, with which they starve beside anything. Who wants that starts the run by `nice`."""

_TOKEN: Final = "RAY_AUTH_TOKEN"
_TOKENS: Final = (_TOKEN, "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")
"""Where Ray finds the secret of its processes; where it finds none it writes one into the home."""

_BLOCK_BYTES: Final = 16 << 20
"""Of tables, what is read at a time: an eighth of Ray's default, for few actors that each take long."""


def require_ray() -> None:
    """Import it.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "bulk runs need Ray Data",
            got=str(error),
            expected="the package ray[data]",
            fix=install_hint("ray"),
        ) from error


@contextmanager
def cluster(resources: Resources) -> Iterator[int]:
    """Ray, and how many actors there are to be.

    Raises:
        UsageError: there are not so many GPUs.
        GroupViTError: it cannot be started, or reached.
    """
    import ray

    with _environment(resources), ExitStack() as stack:
        cores = max(usable_cores() - 1, 1)
        try:
            if resources.address is None:
                stack.enter_context(ending_with_us())
                folder = stack.enter_context(scratch_folder("ray"))
                # More by one than actors take, for what reads tables: else each would wait for the other.
                cpus = max(cores, (resources.actors or 1) * resources.cpus) + 1
                own: dict[str, Any] = {
                    "num_cpus": cpus,
                    "include_dashboard": False,
                    "_temp_dir": str(folder),
                }
            else:
                own = {"address": resources.address}
            stack.callback(ray.shutdown)
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **own)
        # It raises bare Exceptions, too.
        except Exception as error:
            raise _refusal(error, resources) from error
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.target_max_block_size = _BLOCK_BYTES
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        there = ray.cluster_resources()
        room = cores if resources.address is None else int(there.get("CPU", 1))
        yield _actors(resources, room, float(there.get("GPU", 0)))


def _actors(resources: Resources, cpus: int, gpus: float) -> int:
    most = max(cpus // resources.cpus, 1)
    if resources.gpus > 0:
        wanted = resources.gpus * (resources.actors or 1)
        # A cluster may grow; this machine does not, and Ray would wait for it.
        if resources.address is None and wanted > gpus:
            raise UsageError(
                "this machine has not so many GPUs",
                got=f"{resources.actors or 1} actors of {resources.gpus:g}",
                expected=f"at most {gpus:g} in all",
            )
        most = max(min(most, int(gpus / resources.gpus)), 1)
    return resources.actors or most


def _refusal(error: Exception, resources: Resources) -> GroupViTError:
    if "AF_UNIX" in str(error):
        return GroupViTError(
            "the path of temporary files is too long for the sockets that Ray makes there",
            got=str(error),
            fix="TMPDIR=/tmp before the command",
        )
    return GroupViTError(
        "Ray cannot be started" if resources.address is None else "the Ray cluster cannot be reached",
        got=(str(error).strip().splitlines() or [type(error).__name__])[0],
        expected="room for its processes" if resources.address is None else "the address of a running one",
        fix="ray start --head" if resources.address == "auto" else None,
    )


@contextmanager
def _environment(resources: Resources) -> Iterator[None]:
    wanted = dict(_ENVIRONMENT)
    if resources.address is None:
        wanted[_NICENESS] = os.environ.get(_NICENESS, "0")
        if not any(name in os.environ for name in _TOKENS):
            wanted[_TOKEN] = _token()
    # Ray sets the mode where it finds a token.
    before = {name: os.environ.get(name) for name in (*_ENVIRONMENT, _NICENESS, *_TOKENS)}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.cache
def _token() -> str:
    """One a process: Ray keeps the first that it finds."""
    return secrets.token_hex(32)
