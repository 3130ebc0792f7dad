"""All seeds of one network, side by side where there are cores, each kept in a checkpoint of its own."""

from collections.abc import Iterator, Sequence

import torch
from joblib import Parallel, delayed

from cgcnn import stage
from cgcnn.checkpoint import Checkpoint
from cgcnn.element_numbers import atom_features
from cgcnn.interruption import children_stop_first, saving_on_signals
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.tensors import PackedGraphs
from cgcnn.training import Example, TrainSettings, TrainState, new_model, train

FEW_STEPS = 3  # an epoch


def train_seeds(
    shape: ModelSettings,
    graphs: PackedGraphs,
    data: Example,
    settings: TrainSettings,
    seeds: Sequence[int],
    kept: Sequence[Checkpoint],
    label: str,
    side_by_side: int,
) -> Iterator[tuple[int, CGCNN, TrainState]]:
    """Seed, trained network and final state, in the order of `seeds`.

    What lies in a seed's checkpoint is taken up. SIGTERM and SIGUSR1 write the last whole epoch of every seed at work.
    """

    if len(data.train) < FEW_STEPS * settings.batch_size:
        stage.log.warning("%d materials to learn from: lower train.batch_size for more steps", len(data.train))

    def train_one(seed: int, checkpoint: Checkpoint, row: int) -> tuple[CGCNN, TrainState]:
        torch.set_num_threads(1)  # the arrays are small: a second thread mostly waits, and moves the last bits
        features = torch.tensor(atom_features(shape.element_numbers))
        net, found = new_model(shape, features, data, seed, graphs), checkpoint.load()
        with (
            saving_on_signals(checkpoint.write),
            stage.progress(None, f"{label}, seed {seed}", settings.epochs, row) as bar,
        ):
            calls = [checkpoint.after_epoch, stage.shown_on(bar)]
            return net, train(net, graphs, data, settings, seed, found, calls)

    tasks = (
        delayed(train_one)(seed, checkpoint, row % side_by_side)
        for row, (seed, checkpoint) in enumerate(zip(seeds, kept, strict=True))
    )
    with children_stop_first():
        for seed, (net, state) in zip(seeds, Parallel(side_by_side, return_as="generator")(tasks), strict=True):
            yield seed, net, state
