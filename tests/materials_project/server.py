"""The Materials Project's own API server, emmet-api, on localhost.

`python -m tests.materials_project.server PORT STEP` serves every STEP-th real material of CGCNN_TEST_DATA, or of
the embedded set, by the summary and thermo routes over mongomock. Keys other than KEY are refused, as the gateway in
front of the real server does.
"""

import os
import sys
from pathlib import Path
from typing import Any

import mongomock
import pyarrow.parquet as pq
import uvicorn
from emmet.api.core.api import MAPI
from emmet.api.resource.utils import CollectionWithKey
from emmet.api.routes.materials.summary.resources import summary_resource
from emmet.api.routes.materials.thermo.resources import thermo_resource
from emmet.core.mpid import AlphaID
from pymatgen.core import Structure
from starlette.responses import JSONResponse

from cgcnn.cif import read_cif
from cgcnn.crystals import crystal_in, structure_of
from tests import ROOT

KEY = "k" * 32
DB_VERSION = "2026.04.13"


class Cursor:
    def __init__(self, docs: list[Any]) -> None:
        self.docs = docs

    async def to_list(self, length: int | None = None) -> list[Any]:
        return self.docs


class Collection:
    """The awaitables of a Mongo collection that emmet-api uses, over mongomock.

    Structures are kept beside it and added to what it finds: mongomock copies every document at every question.
    """

    def __init__(self, docs: list[dict[str, Any]]) -> None:
        self.collection = mongomock.MongoClient()["mp"]["collection"]
        self.structures = {doc["material_id"]: doc.pop("structure") for doc in docs if "structure" in doc}
        self.collection.insert_many(docs)

    async def count_documents(self, criteria: Any, **_: Any) -> int:
        return self.collection.count_documents(criteria)

    async def estimated_document_count(self) -> int:
        return self.collection.estimated_document_count()

    async def aggregate(self, pipeline: Any, **_: Any) -> Cursor:
        found = list(self.collection.aggregate(pipeline))
        if any("structure" in stage.get("$project", {}) for stage in pipeline):
            found = [{**doc, "structure": self.structures[doc["material_id"]]} for doc in found]
        return Cursor(found)


def materials(every: int) -> list[tuple[str, Structure, dict[str, float | None]]]:
    """Id, structure and labels of every so many of the real materials, or of the embedded ones."""
    names = ("formation_energy_per_atom", "energy_above_hull", "band_gap")
    folder = os.environ.get("CGCNN_TEST_DATA")
    if folder:
        rows = []
        for name in ("perovskites", "oxides"):
            rows += pq.read_table(Path(folder) / "materials_project" / f"{name}.parquet").to_pylist()[::every]
        return [(r["material_id"], structure_of(read_cif(r["cif"])), {n: r[n] for n in names}) for r in rows]
    rows = pq.read_table(ROOT / "data/embedded/materials.parquet").to_pylist()[::every]
    return [(f"mp-{k}", structure_of(crystal_in(r)), {n: r.get(n) for n in names}) for k, r in enumerate(rows, start=1)]


def documents(every: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Summary and thermo documents. Every material also has an r2SCAN energy, which nobody asked for."""
    summary, thermo = [], []
    for material_id, structure, labels in materials(every):
        composition = structure.composition
        common = {
            "material_id": str(AlphaID(material_id, padlen=8)),
            "builder_meta": {"license": "BY-C"},
            "deprecated": False,
            "nsites": len(structure),
            "nelements": len(composition),
            "elements": sorted(e.symbol for e in composition),
            "composition_reduced": dict(composition.reduced_composition.as_dict()),
            "formula_pretty": composition.reduced_formula,
            "formula_anonymous": composition.anonymized_formula,
            "chemsys": composition.chemical_system,
        }
        summary.append({**common, "structure": structure.as_dict(), "band_gap": labels["band_gap"]})
        for kind, shift in (("GGA_GGA+U", 0.0), ("r2SCAN", -0.3)):
            energy = {
                "formation_energy_per_atom": labels["formation_energy_per_atom"] + shift,
                "energy_above_hull": labels["energy_above_hull"],
            }
            thermo.append({**common, **energy, "thermo_type": kind, "thermo_id": f"{material_id}_{kind}"})
    return summary, thermo


def app(every: int) -> Any:
    summary, thermo = (CollectionWithKey(Collection(docs)) for docs in documents(every))
    heartbeat = {"pymatgen": "0", "db_version": DB_VERSION, "suffix": None, "access_controlled_batch_ids": []}
    resources = {"materials": [summary_resource(summary), thermo_resource(thermo)]}
    made = MAPI(resources=resources, heartbeat_meta=heartbeat).app

    @made.middleware("http")
    async def gateway(request: Any, call_next: Any) -> Any:
        if request.url.path != "/heartbeat" and request.headers.get("x-api-key") != KEY:
            return JSONResponse({"message": "Invalid authentication credentials"}, 401)
        return await call_next(request)

    return made


if __name__ == "__main__":
    uvicorn.run(app(int(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
