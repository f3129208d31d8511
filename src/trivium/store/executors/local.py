"""A process pool that keeps order, starts clean processes and notices when one dies."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from trivium.errors import ResourceError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in item order.

    One worker runs in this process; more run in spawned processes with one thread each. At most four items
    per worker wait at a time, so memory stays flat however many items there are.

    Raises:
        ResourceError: A worker process died (for instance killed for memory).
    """
    waiting: dict[int, Result] = {}
    turn = 0
    for index, result in as_finished(function, items, workers, initializer, initargs):
        waiting[index] = result
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def as_finished(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    initializer: Callable[..., None] | None = None,
    initargs: tuple[Any, ...] = (),
) -> Iterator[tuple[int, Result]]:
    """Yield (index, result) as items finish, in any order."""
    if workers <= 1:
        if initializer is not None:
            initializer(*initargs)
        for index, item in enumerate(items):
            yield index, function(item)
        return
    starter = functools.partial(_start_worker, os.getpid(), initializer, initargs)
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=starter)
    try:
        yield from _drain(pool, function, items, window=4 * workers)
    except BrokenProcessPool:
        raise ResourceError(
            "worker process: got a sudden end (often the memory killer); expected it to finish its shard, "
            "rerun the same command to resume or use fewer workers."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _drain(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[tuple[int, Result]]:
    running: dict[Future[Result], int] = {}
    source = enumerate(items)
    exhausted = False
    while running or not exhausted:
        while not exhausted and len(running) < window:
            try:
                index, item = next(source)
            except StopIteration:
                exhausted = True
                break
            running[pool.submit(function, item)] = index
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield running.pop(future), future.result()


def _start_worker(parent: int, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    die_with_parent(parent)
    if initializer is not None:
        initializer(*initargs)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies, so that kill -9 leaves no orphan (Linux)."""
    import ctypes
    import signal

    try:
        libc = ctypes.CDLL(None)
        libc.prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)
