"""One side's training in its own process: prints memory after imports and its peak (MiB, Linux) as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import torch


def status(field: str, process: int | str = "self") -> float:
    """MiB of VmRSS (now) or VmHWM (peak). Not `ru_maxrss`: a child inherits that from the process that started it."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _targets(folder: Path) -> tuple[list[str], np.ndarray]:
    lines = [line.split(",") for line in (folder / "id_prop.csv").read_text().split()]
    return [name for name, _ in lines], np.array([float(value) for _, value in lines])


def ours(folder: Path) -> float:
    from cgcnn.elements import feature_table
    from cgcnn.memory import keep_freed_memory
    from cgcnn.model import ModelSettings
    from cgcnn.tables import read_graphs
    from cgcnn.tensors import PackedGraphs
    from cgcnn.training import Example, TrainSettings, new_model, train

    imports = status("VmRSS")
    keep_freed_memory()
    ids, target = _targets(folder)
    packed = PackedGraphs(read_graphs([folder / "graphs.parquet"])[1])
    first, rest = torch.arange(len(ids)).split([round(0.6 * len(ids)), len(ids) - round(0.6 * len(ids))])
    data = Example(torch.tensor(target, dtype=torch.float32), first, rest[: len(ids) // 5], ids)
    model = new_model(
        ModelSettings("gated", "regression", n_hidden=1, shared_shell=0.1), torch.tensor(feature_table()), data, 0
    )
    train(model, packed, data, TrainSettings(epochs=2, batch_size=256), 0)
    return imports


def cgcnn2(folder: Path) -> float:
    from benchmarks import peers

    imports = status("VmRSS")
    items = peers.cgcnn2_items(folder)
    chosen = np.arange(round(0.6 * len(items)))
    target = torch.tensor(_targets(folder)[1][chosen], dtype=torch.float32)
    loader = peers.cgcnn2_loader(items, chosen, 256, True)
    peers.train(peers.cgcnn2_net(), loader, peers.cgcnn2_step, 2, target)
    return imports


if __name__ == "__main__":
    torch.set_num_threads(1)
    side = {"ours": ours, "cgcnn2": cgcnn2}[sys.argv[1]]
    imports = side(Path(sys.argv[2]))
    print(json.dumps({"imports": imports, "peak": status("VmHWM")}))
