"""All seeds of one variant on one task and split. A run that was stopped goes on from its checkpoints."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch

from cgcnn import stage
from cgcnn.checkpoint import Checkpoint, fingerprint, save_models
from cgcnn.elements import feature_table
from cgcnn.examples import load_examples
from cgcnn.model import ModelSettings
from cgcnn.predict import device_named
from cgcnn.tables import about_of, write_json
from cgcnn.training import TrainSettings, new_model, train


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    seeds = section["train"].pop("seeds")
    settings = TrainSettings(**section["train"])
    shape = ModelSettings(section["conv"], section["task"]["kind"], **section["model"])
    torch.set_num_threads(arguments.threads)
    graphs, data = load_examples(arguments.graphs, arguments.split, device_named(arguments.device))
    training = fingerprint(arguments.section, arguments.code, [*arguments.graphs, arguments.split])

    models, histories = {}, {}
    with stage.progress(None, arguments.name, len(seeds) * settings.epochs) as bar:
        for done, seed in enumerate(seeds):
            kept = Checkpoint(arguments.checkpoints / f"{seed}.safetensors", training, arguments.every)
            bar.update(done * settings.epochs - bar.n)
            models[seed] = new_model(shape, torch.tensor(feature_table()), data, seed)
            state = train(
                models[seed], graphs, data, settings, seed, kept.load(), [kept.after_epoch, stage.shown_on(bar)]
            )
            histories[seed] = {"best_epoch": state.best_epoch, "epochs": state.history}
            error = state.history[state.best_epoch - 1]["validation_error"]
            stage.log.info("seed %d: best epoch %d, validation error %.4f", seed, state.best_epoch, error)

    write_json(arguments.history, histories)
    save_models(arguments.weights, models, {"name": arguments.name, **section, "data": about_of(arguments.split)})
    Checkpoint.remove_all(arguments.checkpoints)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, conv, model and train, as JSON")
    parser.add_argument("--code", default="", help="digest of the code, so that no other code's checkpoint is used")
    parser.add_argument("--name", required=True, help="task/split/variant")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder")
    parser.add_argument("--every", type=float, default=60, help="seconds between checkpoints")
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--history", type=Path, required=True)
    stage.run(main, parser)
