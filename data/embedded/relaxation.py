"""CHGNet relaxation of many crystals at once, symmetry kept.

One backward pass gives energy, forces and stress of a whole batch, and all crystals take their optimizer steps
together: several times faster than relaxing them one by one. Symmetry is fixed, for hypothetical high-symmetry phases
would otherwise creep along soft modes, and their energy would depend on where the optimizer stops.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.stress import full_3x3_to_voigt_6_stress
from chgnet.model import CHGNet
from chgnet.model.model import BatchedGraph
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from threadpoolctl import threadpool_limits

Array = NDArray[np.float64]

MODEL = "0.3.0"
FORCE_TOLERANCE = 0.05  # eV/Å for every atom; eV for the rows of the virial per atom
MAX_STEPS = 60
MAX_MOVE = 0.1  # Å a step
SYMMETRY_TOLERANCE = 1e-3  # Å
BATCH_ATOMS = 160
SCALES = np.linspace(0.85, 1.18, 9)  # of the cell edges, before relaxation


@dataclass(frozen=True)
class Relaxed:
    """A crystal after relaxation: energy in eV/atom, whether its forces fell below FORCE_TOLERANCE, steps taken."""

    structure: Structure
    energy: float
    converged: bool
    steps: int


def load_model() -> CHGNet:
    """CHGNet 0.3.0 on one CPU core, its weights frozen: the products are many and tiny, and slower on threads."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    model = CHGNet.load(model_name=MODEL, use_device="cpu", verbose=False).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.graph_converter.set_isolated_atom_response("ignore")
    return model


def energies(model: CHGNet, structures: Sequence[Structure]) -> Array:
    """Energies in eV/atom, [n]; infinite where an atom has no neighbour within CHGNet's cutoff."""
    graphs = [model.graph_converter(structure) for structure in structures]
    result = np.full(len(structures), np.inf)
    connected = [i for i, graph in enumerate(graphs) if graph is not None]
    if connected:
        with torch.no_grad():
            predicted = model.predict_graph([graphs[i] for i in connected], task="e", batch_size=len(connected))
        predicted = [predicted] if isinstance(predicted, dict) else predicted
        result[connected] = [float(one["e"]) for one in predicted]
    return result


def scaled_to_minimum(model: CHGNet, structure: Structure) -> Structure | None:
    """The structure at the volume of least energy: a scan of SCALES, refined by a parabola; None if no volume holds."""
    scan = [structure.copy().scale_lattice(structure.volume * scale**3) for scale in SCALES]
    energy = energies(model, scan)
    if not np.isfinite(energy).any():
        return None
    best = int(np.argmin(energy))
    scale = SCALES[best]
    around = slice(best - 1, best + 2)
    if 0 < best < len(SCALES) - 1 and np.isfinite(energy[around]).all():
        curvature, slope, _ = np.polyfit(SCALES[around], energy[around], 2)
        scale = -slope / (2 * curvature)
    return structure.copy().scale_lattice(structure.volume * scale**3)


class Results(Calculator):  # type: ignore[misc]
    """An ASE calculator that is told its results, so that one batch serves many crystals."""

    implemented_properties = ("energy", "forces", "stress")

    def tell(self, atoms: Atoms, energy: float, forces: Array, stress: Array) -> None:
        """Energy in eV, forces [n, 3] in eV/Å, stress [3, 3] in eV/Å^3."""
        self.atoms = atoms.copy()
        voigt = full_3x3_to_voigt_6_stress((stress + stress.T) / 2)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": voigt}

    def calculate(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("the optimizer asked for a geometry that was not computed")


class Relaxation:
    """One crystal on its way to its minimum."""

    def __init__(self, structure: Structure) -> None:
        self.atoms = plain_atoms(structure)
        self.atoms.set_constraint(FixSymmetry(self.atoms, symprec=SYMMETRY_TOLERANCE, verbose=False))
        self.atoms.calc = Results()
        self.optimizer = BFGS(FrechetCellFilter(self.atoms), logfile=None, maxstep=MAX_MOVE)
        self.steps = 0
        self.converged = False
        self.energy = np.nan

    def advance(self, energy: float, forces: Array, stress: Array) -> bool:
        """Take the results for the present geometry and move; False when there is nothing more to do."""
        self.atoms.calc.tell(self.atoms, energy, forces, stress)
        self.energy = energy / len(self.atoms)
        virial = self.atoms.get_stress(voigt=False) * self.atoms.get_volume() / len(self.atoms)
        largest = np.linalg.norm(np.vstack([self.atoms.get_forces(), virial]), axis=1).max()
        self.converged = bool(largest < FORCE_TOLERANCE)
        if self.converged or not np.isfinite(largest) or self.steps >= MAX_STEPS:
            return False
        self.optimizer.step()
        self.steps += 1
        return True

    def result(self) -> Relaxed:
        return Relaxed(plain_structure(self.atoms), self.energy, self.converged, self.steps)


def relax(model: CHGNet, structures: Sequence[Structure]) -> list[Relaxed]:
    """Relax cells and positions within the symmetry that each crystal has; results in the order given."""
    relaxations = [Relaxation(structure) for structure in structures]
    active = relaxations
    while active:
        moving = []
        for batch in batches(active):
            graphs = [model.graph_converter(plain_structure(one.atoms)) for one in batch]
            whole = [i for i, graph in enumerate(graphs) if graph is not None]  # the others flew apart, and end here
            computed = energy_forces_stress(model, [graphs[i] for i in whole]) if whole else []
            moving += [batch[i] for i, values in zip(whole, computed, strict=True) if batch[i].advance(*values)]
        active = moving
    return [one.result() for one in relaxations]


def batches(relaxations: Sequence[Relaxation]) -> Iterator[list[Relaxation]]:
    """Groups of at most BATCH_ATOMS atoms together (one crystal at least)."""
    group: list[Relaxation] = []
    for one in relaxations:
        if group and sum(len(other.atoms) for other in group) + len(one.atoms) > BATCH_ATOMS:
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def energy_forces_stress(model: CHGNet, graphs: Sequence[Any]) -> list[tuple[float, Array, Array]]:
    """Energy in eV, forces [n, 3] in eV/Å and stress [3, 3] in eV/Å^3 of each graph, from one backward pass.

    `CHGNet.predict_graph(task="efs")` builds a graph of second derivatives for training, which this does without.
    """
    batch = BatchedGraph.from_graphs(
        graphs,
        bond_basis_expansion=model.bond_basis_expansion,
        angle_basis_expansion=model.angle_basis_expansion,
        compute_stress=True,
    )
    interaction = model._compute(batch)["e"]  # eV/atom, without the energies of the free atoms
    sizes = torch.tensor([len(graph.atomic_number) for graph in graphs], dtype=interaction.dtype)
    positions, strains = list(batch.atom_positions), list(batch.strains)
    gradients = torch.autograd.grad((interaction * sizes).sum(), positions + strains)
    total = ((interaction + model.composition_model(graphs)).detach() * sizes).numpy()
    n = len(graphs)
    return [
        (
            float(total[i]),
            -gradients[i].numpy().astype(float),
            gradients[n + i].numpy().astype(float) / float(batch.volumes[i]),
        )
        for i in range(n)
    ]


def plain_atoms(structure: Structure) -> Atoms:
    """Species, positions and cell, and nothing else that the structure carries."""
    atoms = AseAtomsAdaptor.get_atoms(structure)
    return Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell, pbc=True)


def plain_structure(atoms: Atoms) -> Structure:
    """Species, positions and cell, and nothing else that the atoms carry."""
    structure: Structure = AseAtomsAdaptor.get_structure(
        Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell, pbc=True)
    )
    return structure
