"""What the profile slurm-a100 must know of a Slurm cluster: the site's own settings, and whether it keeps accounts."""

import subprocess
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from cgcnn.errors import InputError


class Site(BaseModel):
    """Settings of slurm-a100/site.yaml; site.example.yaml says what each of them means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu_partition: str = "gpu"
    gpu: str = "gpu:a100:1"
    gpu_constraint: str = ""
    cpu_partition: str = ""
    account: str = ""
    qos: str = ""
    status_command: Literal["", "sacct", "squeue"] = ""


def read_site(path: str | Path) -> Site:
    """The site's settings, the defaults where there is no such file; `status_command` is never empty.

    Raises:
        InputError: not YAML, an unknown setting, or a value of the wrong kind; the message names file and setting.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        site = Site.model_validate(content or {})
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML ({error}). site.example.yaml shows how it looks.") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InputError(f"{path}: {faults}. Known settings: {', '.join(Site.model_fields)}.") from None
    command = site.status_command or ("sacct" if keeps_accounts() else "squeue")
    return site.model_copy(update={"status_command": command})


def keeps_accounts() -> bool:
    """Whether `sacct` answers. Where it does not, Snakemake would wait for it forever."""
    return answer("sacct", "--noheader", "--allocations") is not None


def answer(*command: str) -> str | None:
    """What a command prints, or None where it is not installed, fails, or does not answer within 20 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
