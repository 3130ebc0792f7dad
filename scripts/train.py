"""All seeds of one variant on one task and split. A run that was stopped goes on from its checkpoints."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cgcnn import stage
from cgcnn.checkpoint import Checkpoint, fingerprint, save_models
from cgcnn.examples import load_examples
from cgcnn.interruption import alone, awaited
from cgcnn.model import ModelSettings
from cgcnn.predict import device_named
from cgcnn.seeds import OnGpu, Training
from cgcnn.tables import about_of, write_json
from cgcnn.training import TrainSettings


def main(arguments: Namespace) -> None:
    section = json.loads(arguments.section)
    seeds, device = section["train"].pop("seeds"), device_named(arguments.device)
    graphs, data = load_examples(arguments.graphs, arguments.split, device)
    training = fingerprint(arguments.section, arguments.code, [*arguments.graphs, arguments.split])
    settings = TrainSettings(**section["train"])
    shape = ModelSettings(section["conv"], section["task"]["kind"], **section["model"])
    gpu = OnGpu(seeds=arguments.seeds_on_gpu, precision=arguments.precision_on_gpu, steps=arguments.steps_on_gpu)
    work = Training(shape, graphs, data, settings, arguments.name, gpu)
    with alone(arguments.checkpoints):
        kept = [Checkpoint(arguments.checkpoints / f"{seed}.safetensors", training, arguments.every) for seed in seeds]
        models, histories = {}, {}
        for seed, model, state in work.trained(seeds, kept, arguments.threads):
            models[seed] = model
            histories[seed] = {"best_epoch": state.best_epoch, "epochs": state.history}
            error = state.history[state.best_epoch - 1]["validation_error"]
            what = "share of wrong classes" if shape.kind == "classification" else f"MAE in {section['task']['unit']}"
            stage.log.info("%s, seed %d: epoch %d, %s %.4f", arguments.name, seed, state.best_epoch, what, error)
        write_json(arguments.history, histories)
        about = {"data": about_of(arguments.split), "neighbours": about_of(arguments.graphs[0])["neighbours"]}
        about["trained_with"] = work.trained_with
        save_models(arguments.weights, models, {"name": arguments.name, **section, **about})
        if not awaited(arguments.checkpoints):
            Checkpoint.remove_all(arguments.checkpoints)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--section", required=True, help="task, conv, model and train, as JSON")
    parser.add_argument("--code", default="", help="digest of the code, so that no other code's checkpoint is used")
    parser.add_argument("--name", required=True, help="task/split/variant")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="seeds trained side by side on CPUs")
    parser.add_argument("--seeds-on-gpu", choices=("together", "apart"), required=True)
    parser.add_argument("--precision-on-gpu", choices=("float32", "tf32"), required=True)
    parser.add_argument("--steps-on-gpu", choices=("launched", "replayed"), required=True)
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder")
    parser.add_argument("--every", type=float, default=60, help="seconds between checkpoints")
    parser.add_argument("--graphs", type=Path, nargs="+", required=True)
    for name in ("split", "weights", "history"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    stage.run(main, parser)
