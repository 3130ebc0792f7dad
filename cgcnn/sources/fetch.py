"""From the configured source to the structures table: read, check, tell the families apart, sample."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cgcnn.errors import InputError
from cgcnn.paths import expanded
from cgcnn.perovskites import Verdict, family, sample
from cgcnn.sources import Entry, collect, embedded, local, materials_project
from cgcnn.tables import CHUNK

EMBEDDED_FILE = Path("data/embedded/materials.parquet")


def fetch(
    section: Mapping[str, Any],
    root: Path,
    shown: Callable[[Iterable[Entry]], Iterable[Entry]] = lambda entries: entries,
) -> tuple[pa.Table, pa.Table, dict[str, object]]:
    """Structures, rejects, and what the tables' metadata are to say.

    Args:
        section: source and structures as in config.yaml, targets (pairs of column and unit, in the order of the tasks)
            and families (wanted by the tasks).
        root: folder from which paths count; a snapshot is looked for in the working directory, which is the run's.
        shown: wraps the entries while they are read, for a progress bar.

    Raises:
        InputError: a file cannot be read, or a family that a task needs has no members.
    """
    source, choice, units = section["source"], section["structures"], dict(section["targets"])
    if source["name"] == "embedded":
        path = root / EMBEDDED_FILE
        entries, about = embedded.read(path, list(units)), embedded.about(path)
    elif source["name"] == "materials_project":
        path = materials_project.SNAPSHOT_FILE
        entries, about = materials_project.read(path, list(units)), embedded.about(path)
    else:
        paths = [root / expanded(path) for path in source["paths"]]
        entries = local.read(paths, source["columns"], list(units))
        about = {"source": "local", "licence": "the user's own", **source["about"]}
    structures, rejects = collect(shown(entries), units)
    about = {"source_version": _digest(structures), **about}
    has_families = structures["family"].null_count < len(structures)
    if source["families"] == "topology" or (source["families"] == "auto" and not has_families):
        structures = _with_families(structures)
    if choice["lithium_niobate_type"] == "drop":
        structures, rejects = _without_lithium_niobate_type(structures, rejects)
    _require_families(structures, section["families"])
    return _sampled(structures, choice["sample"], choice["sample_seed"]), rejects, {**about, **choice}


def _with_families(structures: pa.Table) -> pa.Table:
    """Families told by the network of octahedra, whatever the source said."""
    kinds, numbers = structures["perovskite_kind"].to_pylist(), structures["atomic_numbers"].to_pylist()
    told = [family(Verdict(kind, ""), atoms)[0] for kind, atoms in zip(kinds, numbers, strict=True)]
    column = structures.schema.get_field_index("family")
    return structures.set_column(column, structures.schema.field(column), pa.array(told, pa.string()))


def _without_lithium_niobate_type(structures: pa.Table, rejects: pa.Table) -> tuple[pa.Table, pa.Table]:
    dropped = pa.compute.equal(structures["perovskite_kind"], "LiNbO3-type")
    reason = "of the LiNbO3 type, which structures.lithium_niobate_type drops"
    rows = [
        {"material_id": material_id, "origin": "structures", "reason": reason}
        for material_id in structures.filter(dropped)["material_id"].to_pylist()
    ]
    more = pa.Table.from_pylist(rows, schema=rejects.schema)
    return structures.filter(pa.compute.invert(dropped)), pa.concat_tables([rejects, more])


def _require_families(structures: pa.Table, wanted: Sequence[str]) -> None:
    found = sorted({name for name in structures["family"].to_pylist() if name})
    for name in wanted:
        if name not in found:
            raise InputError(
                f"Family '{name}' of a task has no members: the source has {', '.join(found) or 'no families'}. "
                "Correct tasks.*.families, give a family column, set source.families to topology, "
                "or remove the task (null)."
            )


def _sampled(structures: pa.Table, sizes: Mapping[str, int], seed: int) -> pa.Table:
    """At most `sizes[family]` of each family named; all of the others."""
    found = {name for name in structures["family"].to_pylist() if name}
    for name in sizes:
        if name not in found:
            raise InputError(f"structures.sample: the source has no family '{name}', but {', '.join(sorted(found))}.")
    families = np.array([name or "" for name in structures["family"].to_pylist()])
    ids = np.array(structures["material_id"].to_pylist())
    kept = ~np.isin(families, list(sizes))
    for name, size in sizes.items():
        kept |= np.isin(ids, sample(ids[families == name].tolist(), size, seed))
    return structures.filter(pa.array(kept))


def _digest(structures: pa.Table) -> str:
    """Digest of what was read: the version of a source that has none. What nobody reads does not change it."""
    digest = hashlib.sha256()
    for rows in structures.to_batches(CHUNK):
        digest.update(json.dumps(rows.to_pylist()).encode())
    return digest.hexdigest()[:16]
