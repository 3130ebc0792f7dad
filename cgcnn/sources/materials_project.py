"""The Materials Project: one snapshot fetched from its API, and what later stages read of it.

Ids are listed and counted first, labels come from `materials.thermo` by thermo type, structures from the summary, in
batches that are kept, so that a stopped fetch goes on where it was. A. Jain et al., APL Materials 1, 011002 (2013).
"""

import datetime
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
from pymatgen.core import SETTINGS, Composition, Structure

from cgcnn import tables
from cgcnn.crystals import crystal_in, crystal_of
from cgcnn.elements import SYMBOLS
from cgcnn.errors import InputError
from cgcnn.perovskites import classify, family, is_oxide, sample
from cgcnn.sources import Entry
from cgcnn.sources.polite_session import Patience, PoliteSession

DEFAULT_ENDPOINT = "https://api.materialsproject.org/"
BATCH = 100  # ids in one request: more make an address too long
PAGE = 1000  # ids on one page of a list, the most that the server gives
LABELS = {"formation_energy_per_atom": "eV/atom", "energy_above_hull": "eV/atom", "band_gap": "eV"}
ABX3, A2BBX6 = "ABC3", "ABC2D6"  # anonymous formulas, whichever element comes first
ATTRIBUTION = "A. Jain et al., APL Materials 1, 011002 (2013), doi:10.1063/1.4812323"
Shown = Callable[[Iterable[Any], str], Iterable[Any]]
log = logging.getLogger("cgcnn")

#: What was fetched: perovskites, sampled oxides, and the candidates that are neither, with the reason.
SNAPSHOT = pa.schema(
    [
        pa.field("material_id", pa.string(), nullable=False),
        pa.field("formula", pa.string(), nullable=False),
        pa.field("thermo_type", pa.string(), nullable=False),
        pa.field("family", pa.string()),  # null: a candidate that was refused
        pa.field("reason", pa.string(), nullable=False),  # for its family, or for the refusal
        *(pa.field(name, pa.float64(), metadata={"unit": unit}) for name, unit in LABELS.items()),
        pa.field("lattice", pa.list_(pa.float64(), 9), metadata={"unit": "Å"}),  # null: refused before it was fetched
        pa.field("atomic_numbers", pa.list_(pa.uint8())),
        pa.field("frac_coords", pa.list_(pa.float64())),
    ]
)


#: Where the snapshot of a run is kept, from the folder of the run.
SNAPSHOT_FILE = Path("data/raw/snapshot.parquet")


def read(path: Path, targets: Sequence[str]) -> Iterator[Entry]:
    """Entries of a snapshot; a refused candidate is an entry with the reason.

    Raises:
        InputError: no snapshot, a target that it lacks, or several thermo types in it.
    """
    table = tables.read_table(path, SNAPSHOT)
    for name in targets:
        if name not in LABELS:
            raise InputError(f"The Materials Project source has no target '{name}', but {', '.join(LABELS)}.")
    kinds = sorted(set(table["thermo_type"].to_pylist()))
    if len(kinds) > 1:
        raise InputError(
            f"{path}: energies of several levels of theory ({', '.join(kinds)}) must not be mixed. "
            "Delete the file and fetch it again."
        )
    return (
        Entry(
            material_id=row["material_id"],
            origin=f"{path.name} row {number}",
            crystal=crystal_in(row) if row["family"] else f"candidate refused: {row['reason']}",
            family=row["family"],
            targets={name: row[name] for name in targets},
        )
        for number, row in enumerate(table.to_pylist(), start=1)
    )


def fetch_snapshot(
    query: Mapping[str, Any],
    state: Path,
    patience: Patience,
    shown: Shown = lambda items, label: items,
) -> tuple[pa.Table, dict[str, object]]:
    """Fetch everything that `query` asks for; return the snapshot and what its metadata are to say.

    Args:
        query: source.materials_project of config.yaml.
        state: folder that keeps the answers of a fetch that is not complete.
        patience: waits and retries.
        shown: wraps an iterable with a label, for a progress bar.

    Raises:
        InputError: one line that says what to do: no key, wrong key, no network, quota, server down, incomplete answer.
    """
    server = _Server(query["thermo_type"], state, patience, shown)
    common = {"deprecated": query["deprecated"], "num_sites": (1, query["max_sites"])}
    formulas = [ABX3, A2BBX6] if query["double_perovskites"] else [ABX3]
    listed = {
        material_id: formula
        for anonymous in formulas
        for material_id, formula in server.ids({"formula": anonymous, **common}).items()
    }
    candidates = {key: formula for key, formula in listed.items() if _anion(formula) in query["anions"]}
    oxides = {key: formula for key, formula in server.ids({"elements": ["O"], **common}).items() if _oxide(formula)}
    log.info("%d perovskite candidates, %d oxides", len(candidates), len(oxides))

    labels = server.labels(sorted({*candidates, *oxides}))
    reasons = {key: _limit(labels.get(key), query) for key in {*candidates, *oxides}}
    pool = {key for key in oxides if not reasons[key]}
    wanted = sorted(key for key in candidates if not reasons[key])
    rows = {key: _row(key, candidates[key], query, labels.get(key), reasons[key]) for key in candidates}
    structures = server.structures(wanted)
    for key in wanted:
        rows[key] = _told(rows[key], structures[key])
        if rows[key]["family"] != "oxide":
            pool.discard(key)
    chosen = _sampled_oxides(pool, query, server, structures, oxides, labels)
    for key in rows:
        if rows[key]["family"] == "oxide" and key not in chosen:
            rows[key] |= {"family": None, "reason": f"not drawn into the sample of oxides; {rows[key]['reason']}"}
    rows |= chosen
    server.require_same_version()
    schema = SNAPSHOT
    table = pa.Table.from_pylist([rows[key] for key in sorted(rows)], schema=schema)
    return table, {
        "source": "Materials Project",
        "source_version": server.db_version,
        "query": dict(query),
        "fetched": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "client": f"mp-api {version('mp-api')}",
        "licence": "CC BY 4.0",
        "attribution": ATTRIBUTION,
    }


def _sampled_oxides(
    pool: set[str],
    query: Mapping[str, Any],
    server: "_Server",
    structures: dict[str, dict[str, Any]],
    formulas: Mapping[str, str],
    labels: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """The first so many of a seeded order of the sorted ids that are oxides and no perovskites of any kind."""
    size, asked = query["oxides"], min(query["oxides"], len(pool))
    while True:
        drawn = sample(pool, asked, query["seed"])
        structures |= server.structures([key for key in drawn if key not in structures])
        told = {key: _told(_row(key, formulas[key], query, labels[key], ""), structures[key]) for key in drawn}
        found = {key: row for key, row in told.items() if row["family"] == "oxide"}
        if len(found) >= size or asked >= len(pool):
            return found
        pool -= told.keys() - found.keys()  # a complex perovskite; one more is drawn, the others stay
        asked = min(size, len(pool))


class _Server:
    """The client with a session of ours. Every answer is kept in `state`, by database version and question."""

    def __init__(self, thermo_type: str, state: Path, patience: Patience, shown: Shown) -> None:
        key = _api_key()
        self._endpoint = (os.environ.get("MP_API_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/") + "/"
        self._session = PoliteSession(patience)
        self._thermo_type, self._shown = thermo_type, shown
        self.db_version, controlled = self._heartbeat()
        self._state = state / _digest([self._endpoint, self.db_version])
        self._summary, self._thermo = _resters(key, self._endpoint, self._session, (self.db_version, controlled))

    def _heartbeat(self) -> tuple[str, list[str]]:
        answer = self._session.get(self._endpoint + "heartbeat").json()
        if not isinstance(answer, dict) or not answer.get("db_version"):
            raise InputError(f"Materials Project: {self._endpoint} names no database version. Correct MP_API_ENDPOINT.")
        return answer["db_version"], answer.get("access_controlled_batch_ids") or []

    def require_same_version(self) -> None:
        found = self._heartbeat()[0]
        if found != self.db_version:
            raise InputError(
                f"Materials Project: the database went from version {self.db_version} to {found} during the fetch. "
                "Run the same command again: it fetches the new one."
            )

    def ids(self, criteria: dict[str, Any]) -> dict[str, str]:
        """Id and reduced formula of all that meet `criteria`. The session proves by the server's count every page."""

        def ask(page: int) -> list[list[str]]:
            found = self._summary.search(
                **criteria,
                include_gnome=False,
                fields=["material_id", "formula_pretty"],
                all_fields=False,
                chunk_size=PAGE,
                _page=page,
                _sort_fields="material_id",
            )
            return [[str(doc["material_id"]), doc["formula_pretty"]] for doc in found]

        pairs: list[list[str]] = []
        for page in self._shown(count(1), "ids"):
            answer = self._kept(["ids", criteria, PAGE, page], partial(ask, page))
            pairs += answer
            if len(answer) < PAGE:
                break
        if len({material_id for material_id, _ in pairs}) != len(pairs):
            shutil.rmtree(self._state)
            raise InputError("Materials Project: a list of ids holds one twice. Run the same command to start anew.")
        return dict(pairs)

    def labels(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Energies of those materials that have them at the one level of theory."""
        found: dict[str, dict[str, Any]] = {}
        names = ["material_id", "thermo_type", "formation_energy_per_atom", "energy_above_hull"]

        def ask(batch: Sequence[str]) -> list[dict[str, Any]]:
            docs = self._thermo.search(
                material_ids=list(batch), thermo_types=[self._thermo_type], fields=names, all_fields=False
            )
            told = [{name: str(doc[name]) if name in names[:2] else doc.get(name) for name in names} for doc in docs]
            told_of = [doc["material_id"] for doc in told]
            kinds = sorted({doc["thermo_type"] for doc in told} - {self._thermo_type})
            if kinds or len(set(told_of)) != len(told_of) or not set(told_of) <= set(batch):
                raise InputError(
                    f"Materials Project: not one {self._thermo_type} energy of each material, as was asked for "
                    f"(also {', '.join(kinds) or 'some twice, or of others'}). Run the same command again."
                )
            return told

        for batch in self._shown(_batches(ids), "energies"):
            docs = self._kept(["labels", self._thermo_type, batch], partial(ask, batch))
            found |= {doc["material_id"]: doc for doc in docs}
        return found

    def structures(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Structure (as a dictionary) and band gap of each of these materials: of all of them, or an InputError."""
        found: dict[str, dict[str, Any]] = {}

        def ask(batch: Sequence[str]) -> list[dict[str, Any]]:
            fields = ["material_id", "structure", "band_gap"]
            docs = self._summary.search(material_ids=list(batch), fields=fields, all_fields=False)
            if sorted(str(doc["material_id"]) for doc in docs) != sorted(batch):
                lacking = sorted(set(batch) - {str(doc["material_id"]) for doc in docs})
                raise InputError(
                    f"Materials Project: incomplete answer, {len(lacking)} of {len(batch)} structures are missing "
                    f"({', '.join(lacking[:3])}). Run the same command again: what was fetched is kept."
                )
            return [
                {
                    "material_id": str(doc["material_id"]),
                    "structure": _plain(doc["structure"]),
                    "band_gap": doc.get("band_gap"),
                }
                for doc in docs
            ]

        for batch in self._shown(_batches(sorted(ids)), "structures"):
            docs = self._kept(["structures", batch], partial(ask, batch))
            found |= {doc["material_id"]: doc for doc in docs}
        return found

    def _kept(self, question: Any, ask: Callable[[], Any]) -> Any:
        """The answer that is there, or a new one, which then is there. Files are written whole or not at all."""
        path = self._state / f"{_digest(question)}.json"
        if not path.exists():
            tables.write_json(path, ask())
        return tables.read_json(path)


def _api_key() -> str:
    key = os.environ.get("MP_API_KEY") or SETTINGS.get("PMG_MAPI_KEY") or ""
    if not key:
        raise InputError(
            "Materials Project: no API key. Get one at https://materialsproject.org/api and set MP_API_KEY to it."
        )
    if len(key) != 32:
        raise InputError(f"Materials Project: the key in MP_API_KEY has {len(key)} characters, not 32. Copy it again.")
    return str(key)


def _resters(key: str, endpoint: str, session: PoliteSession, heartbeat: tuple[str, list[str]]) -> tuple[Any, Any]:
    """Clients of summary and thermo, given what is costly in theirs.

    Their own heartbeat has no timeout; they make the JSON schema anew for each field that is asked for, 0.1 s each.
    """
    from mp_api.client.routes.materials.summary import SummaryRester
    from mp_api.client.routes.materials.thermo import ThermoRester

    def client(kind: Any) -> Any:
        given = {
            "_get_heartbeat_info": staticmethod(lambda endpoint: heartbeat),
            "available_fields": list(kind.document_model.model_fields),
        }
        ours = type(kind.__name__, (kind,), given)
        return ours(api_key=key, endpoint=endpoint, session=session, use_document_model=False, mute_progress_bars=True)

    return client(SummaryRester), client(ThermoRester)


def _row(
    key: str, formula: str, query: Mapping[str, Any], labels: Mapping[str, Any] | None, reason: str
) -> dict[str, Any]:
    energies = {name: (labels or {}).get(name) for name in ("formation_energy_per_atom", "energy_above_hull")}
    common = {"material_id": key, "formula": formula, "thermo_type": query["thermo_type"]}
    return {**common, "family": None, "reason": reason, **energies}


def _told(row: Mapping[str, Any], doc: Mapping[str, Any]) -> dict[str, Any]:
    """The row with structure, family and the reason for it."""
    try:
        crystal = crystal_of(Structure.from_dict(doc["structure"]))
    except InputError as error:
        return {**row, "reason": str(error)}
    numbers = crystal.atomic_numbers.tolist()
    told, reason = family(classify(crystal.lattice, numbers, crystal.frac_coords), numbers)
    return {
        **row,
        "family": told,
        "reason": reason,
        "band_gap": doc["band_gap"],
        "lattice": crystal.lattice.ravel().tolist(),
        "atomic_numbers": numbers,
        "frac_coords": crystal.frac_coords.ravel().tolist(),
    }


def _limit(labels: Mapping[str, Any] | None, query: Mapping[str, Any]) -> str:
    """Why a material is left out before its structure is looked at, or nothing."""
    if labels is None:
        return f"no {query['thermo_type']} energy"
    most, hull = query["max_energy_above_hull"], labels["energy_above_hull"]
    if most is not None and (hull is None or hull > most):
        return f"{hull} eV/atom above the hull, more than {most}"
    return ""


def _anion(formula: str) -> str:
    """The element that fills three fifths of a formula."""
    amounts = Composition(formula).get_el_amt_dict()
    return next((name for name, amount in amounts.items() if 5 * amount == 3 * sum(amounts.values())), "")


def _oxide(formula: str) -> bool:
    return is_oxide([SYMBOLS.index(name) for name in Composition(formula).get_el_amt_dict() if name in SYMBOLS])


def _plain(structure: Any) -> dict[str, Any]:
    return structure if isinstance(structure, dict) else structure.as_dict()


def _batches(ids: Sequence[str]) -> list[list[str]]:
    return [list(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH)]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
