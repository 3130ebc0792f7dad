"""Crystals on a page: what the script that draws them takes, and the page around it."""

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from markupsafe import Markup

from cgcnn.arrays import Crystal
from cgcnn.elements import SYMBOLS, properties
from cgcnn.report.rendering import rendered, text_of
from cgcnn.report.words import MINUS

_SPHERE = 0.45  # of the covalent radius, so that one sees through the crystal
_UNKNOWN_RADIUS = 150.0  # pm, for the few heaviest elements
_ON_FACE = 0.02  # fractional; an atom so near a face is drawn on the opposite one, too
_LOW, _MIDDLE, _HIGH = (43, 131, 186), (245, 245, 242), (230, 97, 1)  # diverging, told apart by the colour-blind


def render(template: str, **content: Any) -> str:
    """A page of one of the templates, with everything it needs inside."""
    written = {"written": lambda value, form: (form % value).replace("-", MINUS)}
    return rendered(template, written, script=Markup(text_of("crystal.js")), **content)


def drawing(crystal: Crystal, colours: Sequence[str]) -> str:
    """JSON of a crystal for `crystal.js`: its cell (Å), and every site in it with radius (Å), colour and label."""
    radii = properties()["covalent radius"]
    sites = []
    for coords, number, colour in zip(crystal.frac_coords, crystal.atomic_numbers.tolist(), colours, strict=True):
        radius = radii[number] if np.isfinite(radii[number]) else _UNKNOWN_RADIUS
        frac = coords - np.floor(coords + _ON_FACE / 2)
        for image in product(*([0.0, 1.0] if x < _ON_FACE else [0.0] for x in frac)):
            xyz = (frac + np.array(image)) @ crystal.lattice
            sites.append(
                {
                    "xyz": [round(float(x), 3) for x in xyz],
                    "radius": round(_SPHERE * float(radius) / 100, 3),
                    "colour": colour,
                    "label": SYMBOLS[number],
                }
            )
    return json.dumps({"cell": np.round(crystal.lattice, 4).tolist(), "sites": sites})


def diverging(values: np.ndarray) -> list[str]:
    """A colour each: blue for the most negative, near white for 0, orange for the most positive."""
    largest = float(np.abs(values).max()) or 1.0
    return [_mixed(_HIGH if value > 0 else _LOW, abs(float(value)) / largest) for value in values]


def _mixed(colour: tuple[int, int, int], share: float) -> str:
    return "#" + "".join(f"{round(m + share * (c - m)):02x}" for c, m in zip(colour, _MIDDLE, strict=True))
