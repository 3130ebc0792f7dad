"""All seeds of one variant on one task and split. A run that was stopped goes on from its checkpoints."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from joblib import Parallel, delayed

from cgcnn import stage
from cgcnn.checkpoint import Checkpoint, fingerprint, save_models
from cgcnn.elements import feature_table
from cgcnn.examples import load_examples
from cgcnn.model import CGCNN, ModelSettings
from cgcnn.predict import device_named
from cgcnn.tables import about_of, write_json
from cgcnn.training import TrainSettings, TrainState, new_model, train


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    seeds, device = section["train"].pop("seeds"), device_named(arguments.device)
    graphs, data = load_examples(arguments.graphs, arguments.split, device)
    training = fingerprint(arguments.section, arguments.code, [*arguments.graphs, arguments.split])
    settings = TrainSettings(**section["train"])
    shape = ModelSettings(section["conv"], section["task"]["kind"], **section["model"])

    def train_one(seed: int, row: int) -> tuple[CGCNN, TrainState]:
        torch.set_num_threads(1)  # the arrays are small: a second thread mostly waits, and moves the last bits
        kept = Checkpoint(arguments.checkpoints / f"{seed}.safetensors", training, arguments.every)
        net = new_model(shape, torch.tensor(feature_table()), data, seed)
        with stage.progress(None, f"{arguments.name}, seed {seed}", settings.epochs, row) as bar:
            return net, train(net, graphs, data, settings, seed, kept.load(), [kept.after_epoch, stage.shown_on(bar)])

    side_by_side = min(arguments.threads, len(seeds)) if device.type == "cpu" else 1
    tasks = (delayed(train_one)(seed, row % side_by_side) for row, seed in enumerate(seeds))
    models, histories = {}, {}
    for seed, (models[seed], state) in zip(seeds, Parallel(side_by_side, return_as="generator")(tasks), strict=True):
        histories[seed] = {"best_epoch": state.best_epoch, "epochs": state.history}
        error = state.history[state.best_epoch - 1]["validation_error"]
        stage.log.info("seed %d: best epoch %d, validation error %.4f", seed, state.best_epoch, error)
    write_json(arguments.history, histories)
    about = {"data": about_of(arguments.split), "neighbours": about_of(arguments.graphs[0])["neighbours"]}
    save_models(arguments.weights, models, {"name": arguments.name, **section, **about})
    Checkpoint.remove_all(arguments.checkpoints)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, conv, model and train, as JSON")
    parser.add_argument("--code", default="", help="digest of the code, so that no other code's checkpoint is used")
    parser.add_argument("--name", required=True, help="task/split/variant")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="seeds trained side by side on CPUs")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder")
    parser.add_argument("--every", type=float, default=60, help="seconds between checkpoints")
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    for name in ("split", "weights", "history"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    stage.run(main, parser)
