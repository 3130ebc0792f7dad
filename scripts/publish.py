"""`make publish`: store the finished run and the pre-trained models with DVC, and say what to commit. It refuses unless
all edits are committed, Snakemake has nothing to do, and the tests of what is published pass."""

import os
import subprocess
import sys
from pathlib import Path

from dvc.repo import Repo

STORE = Path("dvc-store")  # the remote in the repository
SETS = [Path("pretrained/embedded"), Path("pretrained/materials-project")]
MADE_HERE = ("dvc.lock", f"{STORE}/", "pretrained/")  # what publishing itself changes


def main() -> None:
    entries = [line[3:] for line in output_of("git", "status", "--porcelain", "-z").split("\0") if line]
    changed = [path for path in entries if not path.startswith(MADE_HERE)]
    require(not changed, "these edits are not committed, so nobody could tell what made the results", changed)
    plan = output_of(sys.executable, "-m", "snakemake", "--dry-run").splitlines()
    require("Nothing to be done" in " ".join(plan), "the results are not up to date: make run", plan[-20:])
    fetched = [path for path in SETS[1:] if path.exists()]
    require(bool(fetched) or not Path(f"{SETS[1]}.dvc").exists(), "fetch it first: dvc pull", [str(SETS[1])])

    output_of(sys.executable, "scripts/pretrained.py", "--results", "results", "--to", str(SETS[0]))
    show("pytest", "-q", "-p", "no:cacheprovider", "tests/test_published.py")
    show("dvc", "add", "--quiet", *map(str, [SETS[0], *fetched]))
    show("dvc", "commit", "--quiet", "--force")
    show("dvc", "push")
    forget_older_versions()
    print(f"\nPublished. Now commit it:\n\n    git add dvc.lock pretrained {STORE}\n    git commit")


def forget_older_versions() -> None:
    """Take out of the store in the repository what is not used now: an older commit has its own store."""
    with Repo() as repo:
        used = {found.value for hashes in repo.used_objs(push=True).values() for found in hashes}
    for path in STORE.glob("files/md5/*/*"):
        if path.parent.name + path.name not in used:
            path.unlink()


def output_of(*command: str) -> str:
    done = subprocess.run(command, text=True, capture_output=True)
    require(done.returncode == 0, f"{' '.join(command[:4])} failed", (done.stdout + done.stderr).splitlines()[-20:])
    return done.stdout + done.stderr


def show(module: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], env=os.environ | {"CGCNN_PUBLISHED": "."})
    require(done.returncode == 0, f"{module} failed, see above. Nothing is lost; mend it and publish again", [])


def require(condition: bool, message: str, lines: list[str]) -> None:
    if not condition:
        sys.exit("\n    ".join([f"Not published: {message}", *lines]))


if __name__ == "__main__":
    main()
