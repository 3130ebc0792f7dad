"""A kernel in a cage: it can write nowhere but in its own folder, its memory is bounded, and it has no network.

nbgrader starts it as any other kernel, by the kernel specification that `specify` writes:

    python -m homework.grading.cage SETTINGS.json CONNECTION_FILE

The cage is bubblewrap (Linux): the file system is read-only, folders with answers and other submissions are empty, and
all namespaces (network, processes, users) are the kernel's own.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from cgcnn.errors import InputError

KERNEL = "caged"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Cage:
    """One submission's cage."""

    scratch: str  # the one folder that can be written
    hidden: list[str]  # folders that look empty from inside
    memory: int  # bytes of data
    cpu: int  # seconds


def require_bubblewrap() -> None:
    """Raise InputError unless a cage can be made on this machine."""
    advice = "Submissions are strangers' code: grade on Linux, where bubblewrap is (apt-get install bubblewrap)."
    if shutil.which("bwrap") is None:
        raise InputError(f"bwrap was not found. {advice}")
    tried = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True, text=True)
    if tried.returncode:
        raise InputError(f"bwrap cannot make a sandbox here ({tried.stderr.strip()}). {advice}")


def specify(cage: Cage, folder: Path) -> None:
    """Write the kernel specification of this cage where a JUPYTER_PATH of `folder` finds it."""
    settings = folder / "cage.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(asdict(cage)), encoding="utf-8")
    spec = {
        "argv": [sys.executable, "-m", "homework.grading.cage", str(settings), "{connection_file}"],
        "display_name": "Python in a cage",
        "language": "python",
        "interrupt_mode": "message",  # a signal would end the cage, not the cell
    }
    path = folder / "kernels" / KERNEL / "kernel.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spec), encoding="utf-8")


def command(cage: Cage, connection_file: str) -> list[str]:
    """bubblewrap's command line for a kernel."""
    variables = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    variables |= dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), cage.scratch)
    environment = [part for name, value in variables.items() for part in ("--setenv", name, value)]
    empty = [part for path in cage.hidden if Path(path).is_dir() for part in ("--tmpfs", path)]
    files = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *empty, "--bind", cage.scratch, cage.scratch]
    own = ["--unshare-all", "--die-with-parent", "--clearenv", *environment, "--chdir", cage.scratch]
    return [
        "bwrap",
        *files,
        *own,
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        connection_file,
        '--IPKernelApp.exec_lines=["import homework.hidden.seal"]',
    ]


def main(settings: str, connection_file: str) -> None:
    """Replace this process by the caged kernel."""
    cage = Cage(**json.loads(Path(settings).read_text(encoding="utf-8")))
    resource.setrlimit(resource.RLIMIT_DATA, (cage.memory, cage.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cage.cpu, cage.cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 2**20, 100 * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    arguments = command(cage, connection_file)
    os.execvp(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
