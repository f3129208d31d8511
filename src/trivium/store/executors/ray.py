"""A Ray cluster: every shard is a task of its own, and a worker or node that dies costs only a retry.

The function, the shards and what they write are those of the process pool, so the output is the same. The run
folder and the inputs must lie where every node sees them under the same path.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from trivium.errors import ConfigError, ResourceError

Item = TypeVar("Item")
Result = TypeVar("Result")

RETRIES = 5
"""Times that a shard is tried again whose worker or node died; an error of its own is never tried again."""
AHEAD = 2
"""Tasks handed to the cluster for each of its processors, so that none waits for the next one."""
PASSED_ON = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM", "TRIVIUM_TEACHER",
)  # fmt: skip


def as_finished(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[int, Result]]:
    """Yield (index, result) as items finish on the cluster, in any order.

    As many items are under way as the cluster has processors for, so nodes that join are used at once.

    Raises:
        ConfigError: Ray is not installed.
        ResourceError: An item's worker died more than `RETRIES` times, or a node does not see the folder.
        Exception: Whatever `function` raised.
    """
    ray = connect()
    task = ray.remote(_in_folder).options(num_cpus=1, max_retries=RETRIES, runtime_env=_environment())
    shipped = ray.put(function)
    running: dict[Any, int] = {}
    source = enumerate(items)
    try:
        while True:
            for index, item in _next(source, AHEAD * _processors(ray) - len(running)):
                running[task.remote(shipped, os.getcwd(), item)] = index
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                yield running.pop(reference), _result(ray, reference)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def connect() -> Any:
    """Return the module ray, connected to RAY_ADDRESS, to this machine's cluster, or to a new one of its own.

    Raises:
        ConfigError: Ray is not installed.
        ResourceError: There is an address, and nobody answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--executor ray: got no package ray; expected it installed, pip install 'trivium[ray]'."
        ) from None
    if not ray.is_initialized():
        try:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError) as error:
            raise ResourceError(
                f"--executor ray: got no cluster ({str(error).splitlines()[0]}); expected one at RAY_ADDRESS "
                f"({os.environ.get('RAY_ADDRESS') or 'not set'}), start it or unset the variable."
            ) from None
    return ray


def _environment() -> dict[str, Any]:
    """Return what workers need to import what we did: our own folders of sys.path, and thread settings."""
    own = [path for path in sys.path if path and not Path(path).is_relative_to(sys.base_prefix)]
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"env_vars": {"PYTHONPATH": os.pathsep.join(own), **passed}}


def _processors(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _next(source: Iterator[tuple[int, Item]], count: int) -> Iterator[tuple[int, Item]]:
    for _ in range(count):
        try:
            yield next(source)
        except StopIteration:
            return


def _in_folder(function: Callable[[Item], Result], folder: str, item: Item) -> Result:
    """Do one item where the driver stands, since paths may be relative; this runs on the cluster."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ResourceError(
            f"--executor ray: got a node without {folder} ({error.strerror}); expected the folder of the run "
            "on a disk that every node sees."
        ) from None
    return function(item)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except (ray.exceptions.RaySystemError, ray.exceptions.RayError) as error:
        raise ResourceError(
            f"--executor ray: got a shard whose worker died {RETRIES + 1} times ({type(error).__name__}); "
            "expected it to finish, look for memory on the nodes, then give the same command again to resume."
        ) from None
