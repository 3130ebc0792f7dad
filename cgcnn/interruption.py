"""Being stopped: what a training does on a signal, and how two copies of one job keep out of each other's way.

A batch system sends SIGTERM before it ends a job (time limit, preemption, scancel), and SIGUSR1 earlier where asked to.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

log = logging.getLogger("cgcnn")

Handler = Callable[[int, FrameType | None], None] | signal.Handlers
_PATIENCE = 20  # seconds that child processes have to write their state


@contextmanager
def saving_on_signals(save: Callable[[], None]) -> Iterator[None]:
    """Inside, SIGUSR1 calls `save` and goes on; SIGTERM calls `save` and ends the process.

    `save` is called between two steps of Python, wherever the program is. Outside of the main thread nothing is
    changed, for Python brings signals to the main thread alone.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        save()
        if number == signal.SIGTERM:
            _die()

    with _handled({signal.SIGTERM: handle, signal.SIGUSR1: handle}):
        yield


@contextmanager
def children_stop_first() -> Iterator[None]:
    """Inside, SIGTERM is passed on to child processes, which save, before it ends this one.

    SIGUSR1 is ignored and left to the children that save: a batch system sends it to every process of a job, and those
    that know nothing of it inherit that it is ignored.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        children = [child for child in psutil.Process().children(recursive=True) if not _only_tidies_up(child)]
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.terminate()
        psutil.wait_procs(children, timeout=_PATIENCE)
        _die()

    with _handled({signal.SIGTERM: handle, signal.SIGUSR1: signal.SIG_IGN}):
        yield


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, no other process works on `folder`: another copy waits here until this one is done or dead.

    The lock lies beside the folder and is the operating system's (flock), so that a killed process leaves none behind.
    Who waits says so, see `awaited`. Where the file system knows no locks, nothing is locked, and the log says so.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.parent / f"{folder.name}.lock"
    with ExitStack() as held:
        try:
            try:
                held.enter_context(_lock(file, timeout=0))
            except Timeout:
                log.info("Another copy of this job is at work (%s). Waiting for it, to go on from what it did.", folder)
                with _announced(folder):
                    held.enter_context(_lock(file))
        except OSError as error:
            log.warning(
                "%s: no locks on this file system (%s); two copies of one job may do the work twice.", folder, error
            )
        yield


def awaited(folder: Path) -> bool:
    """Whether another copy of this job waits for what is in `folder`."""
    marks = [mark for mark in folder.parent.glob(f"{folder.name}.waiting-*") if _is_held(mark)]
    return len(marks) > 0


@contextmanager
def _announced(folder: Path) -> Iterator[None]:
    """Inside, a mark beside the folder is locked, which ends with the process however that ends."""
    with _lock(folder.parent / f"{folder.name}.waiting-{os.uname().nodename}-{os.getpid()}"):
        yield


def _is_held(mark: Path) -> bool:
    """Whether who left the mark still waits; removes it if not."""
    try:
        with _lock(mark, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def _lock(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the operating system's lock (flock) on a file, which is gone afterwards.

    Raises:
        Timeout: another process held it for so many seconds.
        OSError: the file system knows no locks.
    """
    lock = FileLock(path, timeout=timeout, poll_interval=1, fallback_to_soft=False)
    lock.acquire()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held; who waits for it takes a new one
        lock.release()


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _only_tidies_up(process: psutil.Process) -> bool:
    """Whether this is a helper of joblib or multiprocessing, which ends after the others and heeds no signal."""
    try:
        return any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return True


def _die() -> None:
    """End this process as the signal would have."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
