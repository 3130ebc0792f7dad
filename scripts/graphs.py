"""Crystal graphs of one shard of the structures."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pyarrow as pa
from joblib import Parallel, delayed

from cgcnn import stage
from cgcnn.graph import NeighbourRule, crystal_graphs
from cgcnn.tables import GRAPHS, about_of, crystals_in, graphs_batch, read_shard, write_batches


def build(rows: pa.RecordBatch, rule: NeighbourRule, keep_images: bool) -> pa.RecordBatch:
    return graphs_batch(rows["material_id"], crystal_graphs(crystals_in(rows), rule, keep_images))


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    n_chunks, chunks = read_shard(arguments.structures, arguments.shard, section.pop("shards"))
    keep_images = section.pop("keep_images")
    rule = NeighbourRule(**section)
    jobs = (delayed(build)(rows, rule, keep_images) for rows in chunks)
    batches = Parallel(n_jobs=min(arguments.workers, n_chunks) or 1, return_as="generator")(jobs)
    about = about_of(arguments.structures) | {"neighbours": section}
    write_batches(arguments.graphs, stage.progress(batches, "crystal graphs", n_chunks), GRAPHS, about)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="section graphs of the configuration, as JSON")
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--structures", type=Path, required=True)
    parser.add_argument("--graphs", type=Path, required=True)
    stage.run(main, parser)
