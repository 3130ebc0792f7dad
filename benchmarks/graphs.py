"""Rows about graphs: from CIF, neighbour search, bytes on disk."""

import math
import pickle
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import matscipy.neighbours
import numpy as np
import vesin
from cgcnn2.data import CIFData, CIFData_NoTarget
from pymatgen.core import Element, Structure
from pymatgen.optimization.neighbors import find_points_in_spheres

from benchmarks.materials import crystals_with, perovskites, write_cgcnn_folder, write_graphs
from benchmarks.measure import Row, in_turn, rows, seconds
from cgcnn import graph
from cgcnn.arrays import Crystal
from cgcnn.graph import NeighbourRule, crystal_graphs

_N_CRYSTALS, _N_SEARCHED, _REPEATS = 1000, 200, 5
_RULE = NeighbourRule()


def cif_to_graphs() -> list[Row]:
    """A folder of CIFs to graphs: ours in Parquet, cgcnn2's as it holds them in memory."""
    materials = perovskites().first(_N_CRYSTALS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cgcnn_folder(materials, folder)
        calls = {
            "ours": lambda: write_graphs(folder, materials.ids, folder / "graphs.parquet"),
            "cgcnn2 CIFData": lambda: _read_all(CIFData(str(folder))),
            "cgcnn2 CIFData_NoTarget, as published": lambda: _read_all(CIFData_NoTarget(str(folder))),
        }
        calls["ours"]()
        found = in_turn({name: lambda call=call: seconds(call) for name, call in calls.items()}, 3)
    milliseconds = {name: 1000 * value / len(materials.ids) for name, value in found.items()}
    return rows("cif_to_graphs", "ms/crystal", milliseconds.pop("ours"), milliseconds)


def _read_all(items: CIFData | CIFData_NoTarget) -> None:
    for k in range(len(items)):
        items[k]


def neighbour_search() -> list[Row]:
    """Our graphs, whole, and our search alone, against libraries' searches; cgcnn2 searches and chooses 12."""
    found = []
    for n_sites in (5, 20, 40):
        crystals = crystals_with(n_sites, _N_SEARCHED)
        if not crystals:
            continue
        structures = [
            Structure(c.lattice, [Element.from_Z(int(z)) for z in c.atomic_numbers], c.frac_coords) for c in crystals
        ]
        searches: dict[str, Callable[[], object]] = {
            "ours": lambda crystals=crystals: crystal_graphs(crystals, _RULE),
            "alone": lambda crystals=crystals, n=n_sites: list(
                graph._search(crystals, np.full(len(crystals), n), _RULE, False)
            ),
            "pymatgen": lambda crystals=crystals: [_growing(_pymatgen, crystal) for crystal in crystals],
            "vesin": lambda crystals=crystals: [_growing(_vesin, crystal) for crystal in crystals],
            "matscipy": lambda crystals=crystals: [_growing(_matscipy, crystal) for crystal in crystals],
            "cgcnn2": lambda structures=structures[:40]: [_cgcnn2(structure) for structure in structures],
        }
        share = {"cgcnn2": len(structures[:40])}
        times = in_turn({name: lambda call=call: seconds(call) for name, call in searches.items()}, _REPEATS)
        micro = {name: 1e6 * value / share.get(name, len(crystals)) for name, value in times.items()}
        ours, alone = micro.pop("ours"), micro.pop("alone")
        found += rows("neighbour_search", "µs/crystal", ours, {f"{k}, {n_sites} sites": v for k, v in micro.items()})
        fastest = {f"pymatgen, {n_sites} sites, search against search": micro["pymatgen"]}
        found += rows("neighbour_search", "µs/crystal", alone, fastest)
    return found


Search = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]


def _growing(search: Search, crystal: Crystal) -> None:
    """A library at its best: the radius that ours takes, grown as ours, and the test for enough; no choice of 12."""
    lattice = np.ascontiguousarray(crystal.lattice)
    coords = np.ascontiguousarray(crystal.frac_coords @ lattice)
    volume = abs(lattice[0, 0] * lattice[1, 1] * lattice[2, 2]) / len(coords)
    radius = (3 / (4 * math.pi) * volume * _RULE.max_neighbours * graph._FIRST_GUESS) ** (1 / 3)
    while True:
        radius = min(radius, _RULE.cutoff)
        centre, distance = search(coords, lattice, radius)
        near = centre[(distance > 1e-8) & (distance <= radius - _RULE.tie_tolerance)]
        if radius == _RULE.cutoff or np.bincount(near, minlength=len(coords)).min() >= _RULE.max_neighbours:
            return
        radius *= graph._GROWTH


def _pymatgen(coords: np.ndarray, lattice: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    hit = find_points_in_spheres(coords, coords, radius, np.ones(3, dtype=np.int64), lattice, 1e-8)
    return hit[0], hit[3]


def _vesin(coords: np.ndarray, lattice: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    search = vesin.NeighborList(cutoff=radius, full_list=True)
    centre, _, distance = search.compute(points=coords, box=lattice, periodic=True, quantities="ijd")
    return centre.astype(np.int64), distance


def _matscipy(coords: np.ndarray, lattice: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    centre, _, distance = matscipy.neighbours.neighbour_list(
        "ijd", cutoff=radius, positions=coords, cell=lattice, pbc=np.ones(3, dtype=bool)
    )
    return centre, distance


def _cgcnn2(structure: Structure) -> Sequence[object]:
    """The lines of cgcnn2.data.CIFData._load_item_fast between the structure and the expansion of distances."""
    centres, neighbours, _, distances = structure.get_neighbor_list(_RULE.cutoff)
    bucket: list[list[tuple[int, float]]] = [[] for _ in range(len(structure))]
    for centre, neighbour, distance in zip(centres, neighbours, distances, strict=True):
        bucket[centre].append((neighbour, distance))
    return [sorted(near, key=lambda pair: pair[1])[: _RULE.max_neighbours] for near in bucket]


def bytes_per_crystal() -> list[Row]:
    """Our Parquet against cgcnn2's items, pickled."""
    materials = perovskites().first(_N_CRYSTALS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cgcnn_folder(materials, folder)
        write_graphs(folder, materials.ids, folder / "graphs.parquet")
        ours = (folder / "graphs.parquet").stat().st_size / len(materials.ids)
        items = CIFData(str(folder))
        pickled = [len(pickle.dumps([values.numpy() for values in items[k][0]])) for k in range(200)]
    return rows("bytes_per_crystal", "bytes/crystal", ours, {"cgcnn2, pickled": float(np.mean(pickled))})
