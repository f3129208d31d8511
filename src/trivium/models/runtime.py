"""The process that trains or samples: threads, memory allocator, device and ranks.

Measured on small models (docs/decisions.md): more than one thread a process slows a shared machine down
by an order of magnitude, and glibc's default allocator spends half of a training step on page faults.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trivium.errors import ResourceError, TriviumError

if TYPE_CHECKING:
    import torch

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
"""Environment under which every Trivium process starts; read by libraries when they load, so set before."""

# glibc malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX; mallopt takes C ints.
_MALLOPT = ((-1, 2**31 - 1), (-2, 256 << 20), (-4, 0))
_PR_SET_PDEATHSIG = 1


def missing_settings(environ: dict[str, str]) -> dict[str, str]:
    """The settings that an environment does not have yet; what the user set himself is left alone."""
    return {name: value for name, value in SETTINGS.items() if name not in environ}


def reexec_with_settings() -> None:
    """Start this program again with the settings in place, once; does nothing when they are there.

    Call before torch is imported, from the command line only: it replaces the process.
    """
    missing = missing_settings(dict(os.environ))
    if missing and "torch" not in sys.modules:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})


def settle(threads: int = 1) -> None:
    """Give the running process the settings as far as that is possible without a restart."""
    import torch

    for name, value in missing_settings(dict(os.environ)).items():
        os.environ[name] = value
    torch.set_num_threads(threads)
    keep_memory()


def keep_memory() -> None:
    """Tell glibc to keep freed memory instead of handing it back after every step; elsewhere do nothing."""
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        for option, value in _MALLOPT:
            mallopt(option, value)


def return_memory() -> None:
    """Hand back what is free, between two models in one process, whose pieces do not fit into each other."""
    gc.collect()
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Any:
    """A function of glibc's allocator; None where there is none, as with musl."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def pick_device(name: str = "cpu") -> torch.device:
    """The torch device called `name`; `auto` takes a GPU when there is one.

    Raises:
        ResourceError: A GPU is asked for and there is none.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ResourceError(f"device {name}: this machine has no usable GPU; use device=cpu or device=auto.")
    return torch.device(name)


def die_with_parent(parent: int) -> None:
    """Kill this process when process `parent`, which started it, ends, however it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the call above


def run_ranks(
    function: Callable[..., Any],
    ranks: int,
    rendezvous: Path,
    args: Sequence[Any] = (),
    *,
    group: bool = False,
) -> Any:
    """Call `function(rank, *args)` in `ranks` processes that can talk through torch.distributed.

    Rank 0 is the calling process, so it may show progress; the others are spawned with one thread each and
    die with it. With one rank nothing is spawned and, unless `group` says so, no process group is made. Under
    torchrun the processes are there already (`serve_ranks`), and their number is torchrun's.

    Args:
        function: A module-level function; the same on every rank.
        ranks: Number of processes.
        rendezvous: A path on a local disk; the file is made and removed here.
        args: Picklable arguments.
        group: Make a process group for one rank too.

    Returns:
        What rank 0 returned.

    Raises:
        ResourceError: Another rank failed or was killed.
    """
    settle()
    if under_torchrun():
        return _run_with_torchrun(function, args)
    if ranks == 1 and not group:
        return function(0, *args)
    rendezvous.unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(
            target=_serve_rank, args=(function, rank, ranks, rendezvous, os.getpid(), args), daemon=True
        )
        for rank in range(1, ranks)
    ]
    for process in others:
        process.start()
    try:
        return _join_group(function, 0, ranks, rendezvous, args)
    except RuntimeError as error:
        _raise_if_lost(others, error)
        raise
    finally:
        _stop(others)
        rendezvous.unlink(missing_ok=True)


def under_torchrun() -> bool:
    """Whether torchrun (or a launcher that sets the same variables) started this process."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


def torchrun_rank() -> int:
    """Rank that torchrun gave this process; 0 without it."""
    return int(os.environ["RANK"]) if under_torchrun() else 0


def rank_device() -> torch.device:
    """This rank's own GPU under torchrun where there are GPUs, else the CPU."""
    import torch

    if under_torchrun() and torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def serve_ranks() -> NoReturn:
    """Under torchrun, on every rank but 0: take part in what rank 0 runs until it ends, and leave."""
    import torch.distributed as dist

    settle()
    _join_torchrun()
    while True:
        box: list[Any] = [None]
        dist.broadcast_object_list(box, src=0)
        if box[0] is None:
            dist.destroy_process_group()
            leave(0)
        function, args = box[0]
        try:
            function(dist.get_rank(), *args)
        except TriviumError:
            continue  # every rank meets the same error; rank 0 tells it


def release_ranks() -> None:
    """Under torchrun, on rank 0: let the others end; does nothing elsewhere."""
    import torch.distributed as dist

    if under_torchrun():
        _join_torchrun()
        dist.broadcast_object_list([None], src=0)
        dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this process; under torchrun without tearing the interpreter down.

    Threads of gloo that are still there then abort it now and then ("terminate called without an active
    exception"), and torchrun takes that for a rank that failed.
    """
    if under_torchrun():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run_with_torchrun(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    import torch.distributed as dist

    _join_torchrun()
    dist.broadcast_object_list([(function, args)], src=0)
    return function(0, *args)


def _join_torchrun() -> None:
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        return
    device = rank_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    timeout = datetime.timedelta(days=7)  # rank 0 may be busy with other stages for long before it trains
    store, rank, ranks = next(dist.rendezvous("env://", timeout=timeout))
    # torchrun keeps its store over a restart, and in it the addresses of processes that are dead.
    store = dist.PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=ranks, timeout=timeout)


def rank_and_ranks() -> tuple[int, int]:
    """Number of this process and of all processes that train together; (0, 1) when it is alone."""
    import torch.distributed as dist

    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def sum_over_ranks_(flat: torch.Tensor) -> None:
    """Replace a tensor by its sum over all ranks; every rank ends with the same bits."""
    import torch.distributed as dist

    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(flat)


def _serve_rank(
    function: Callable[..., Any], rank: int, ranks: int, rendezvous: Path, parent: int, args: Any
) -> None:
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for rank 0, which ends the others
    settle()
    try:
        _join_group(function, rank, ranks, rendezvous, args)
    except TriviumError:
        sys.exit(1)  # every rank meets the same error; rank 0 tells it
    except RuntimeError as error:
        if "gloo" not in str(error):
            raise
        sys.exit(1)  # rank 0 is gone


def _join_group(
    function: Callable[..., Any], rank: int, ranks: int, rendezvous: Path, args: Sequence[Any]
) -> Any:
    import torch.distributed as dist

    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    # Not a file:// address: in that a relative path begins with what is read as a host.
    store = dist.FileStore(str(rendezvous), ranks)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    try:
        return function(rank, *args)
    finally:
        dist.destroy_process_group()


def _raise_if_lost(others: Sequence[BaseProcess], error: RuntimeError) -> None:
    for process in others:
        process.join(timeout=2)
    lost = [index for index, process in enumerate(others, start=1) if process.exitcode]
    if lost:
        raise ResourceError(
            f"training: rank {lost[0]} ended with code {others[lost[0] - 1].exitcode} "
            "(memory, or an error printed above); run again, the run resumes."
        ) from error


def _stop(others: Sequence[BaseProcess]) -> None:
    for process in others:
        process.join(timeout=10)
        if process.is_alive():
            process.kill()
            process.join()
