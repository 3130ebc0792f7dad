"""Make materials.parquet, or check that it can be made again.

    python data/embedded/generate.py              relax (a stopped run goes on), label, write materials.parquet
    python data/embedded/generate.py --check 40   relax 40 of its materials again and compare, within tolerances

Needs the extra `embedded` (chgnet 0.4.2, Python 3.11 or 3.12); about half an hour on one core for the whole set.
"""

import argparse
import hashlib
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from candidates import all_candidates
from dataset import formation_energy, rows, write
from progress import relax_all, relax_batch, unpacked
from references import read_references
from relaxation import load_model

FOLDER = Path(__file__).parent
MATERIALS = FOLDER / "materials.parquet"
PROGRESS = FOLDER / "progress.jsonl"
ENERGY_TOLERANCE = 0.005  # eV/atom
VOLUME_TOLERANCE = 0.01  # relative


def make() -> None:
    """Relax, label and write everything."""
    candidates = all_candidates()
    records = relax_all(load_model(), candidates, PROGRESS)
    materials, left_out = rows(candidates, records, read_references())
    write(MATERIALS, materials)
    families = [material["family"] for material in materials]
    print(f"{families.count('perovskite')} perovskites, {families.count('oxide')} other oxides")
    for reason, count in left_out.most_common():
        print(f"left out {count:4d}: {reason}")
    print("sha256", hashlib.sha256(MATERIALS.read_bytes()).hexdigest())


def check(count: int) -> bool:
    """Relax `count` evenly spaced materials again; print and return whether they agree with the file."""
    candidates = all_candidates()
    stored = pq.read_table(MATERIALS).to_pylist()
    chosen = [stored[i] for i in np.linspace(0, len(stored) - 1, min(count, len(stored))).astype(int)]
    again = [candidates[int(material["material_id"].removeprefix("emb-")) - 1] for material in chosen]
    energies, volumes = [], []
    for material, record in zip(chosen, relax_batch(load_model(), again), strict=True):
        structure = unpacked(record)
        label = formation_energy(structure, record["energy"], read_references())
        energies.append(abs(label - material["formation_energy_per_atom"]))
        volumes.append(abs(structure.volume / volume(material["lattice"]) - 1))
    print(f"{len(chosen)} materials differ by at most {max(energies):.4f} eV/atom, {max(volumes):.2%} of volume")
    return bool(max(energies) <= ENERGY_TOLERANCE and max(volumes) <= VOLUME_TOLERANCE)


def volume(lattice: list[float]) -> float:
    """Volume in Å^3 of a cell given as nine numbers, row by row."""
    return abs(float(np.linalg.det(np.reshape(lattice, (3, 3)))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=int, metavar="N", help="relax N of the materials again and compare")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="pymatgen")  # it comments on unusual ions
    warnings.filterwarnings("ignore", message="logm result may be inaccurate")  # by 1e-13
    if arguments.check is None:
        make()
    elif not check(arguments.check):
        sys.exit("they differ by more than the tolerances")


if __name__ == "__main__":
    main()
