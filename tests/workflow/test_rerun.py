"""What an edit makes run again: exactly what it touches. One run of the smoke preset, then dry runs."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.crystals import rock_salt
from tests.workflow.project import Project, copy_of_project

# One process runs them all: they share one finished run.
pytestmark = pytest.mark.workflow

MODELS, TASKS = 6, 2  # three variants and two tasks
AFTER_TRAINING = {"provenance": 1, "report": 1}


def trained(n_models: int) -> dict[str, int]:
    """What follows when `n_models` networks are trained again, of both tasks."""
    return {"train": n_models, "predict": TASKS, "evaluate": TASKS, "examine": TASKS, **AFTER_TRAINING}


EVERYTHING = {
    "fetch": 1,
    "graphs": 1,
    "split": TASKS,
    **trained(MODELS),
    "baselines": TASKS,
}


@pytest.fixture
def edited(smoke: Project) -> Iterator[Project]:
    """The finished run; whatever a test edits is put back."""
    kept = [smoke.folder / name for name in ("config.yaml", "presets", "cgcnn", "data/embedded", "rules", "scripts")]
    store = smoke.folder / ".kept"
    for path in kept:
        target = store / path.relative_to(smoke.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, target) if path.is_dir() else shutil.copy2(path, target)
    yield smoke
    for path in kept:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.move(store / path.relative_to(smoke.folder), path)


def test_nothing_is_left_to_do(smoke: Project) -> None:
    assert smoke.would_run() == {}


def test_the_run_has_its_own_folder(smoke: Project) -> None:
    assert (smoke.folder / "runs/smoke/results/report/index.html").is_file()
    assert (smoke.folder / "runs/smoke/.snakemake/metadata").is_dir()
    assert not (smoke.folder / "results").exists() and not (smoke.folder / "data/structures.parquet").exists()
    assert not (smoke.folder / "runs/smoke/checkpoints").is_dir() or not any(
        path.is_file() for path in (smoke.folder / "runs/smoke/checkpoints").rglob("*")
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("config.yaml", "gated: {conv: gated}", "gated: {conv: gated, train: {lr: 0.005}}", trained(TASKS)),
        ("presets/smoke.yaml", "epochs: 3", "epochs: 4", trained(MODELS)),
        ("config.yaml", "  device: auto", "  device: cpu", {}),
        ("config.yaml", "checkpoint_seconds: 60", "checkpoint_seconds: 6", {}),
        ("config.yaml", "workers: 2", "workers: 1", {}),
        ("config.yaml", "title: Which", "title: And which", AFTER_TRAINING),
        ("cgcnn/conv.py", '"""v_i\' = g(v_i W_s + b): no', '"""Still no', {}),
        ("cgcnn/conv.py", "import torch\n", "# a comment\nimport torch\n", {}),
        ("cgcnn/conv.py", "softplus(self.self_weight(v))", "softplus(1.0 * self.self_weight(v))", trained(MODELS)),
        (
            "cgcnn/graph.py",
            "_NUMERICAL_TOLERANCE = 1e-8",
            "_NUMERICAL_TOLERANCE = 2e-8",
            {"graphs": 1, **trained(MODELS)},
        ),
        ("cgcnn/metrics.py", "CALIBRATION_BINS = 10", "CALIBRATION_BINS = 12", None),
        ("cgcnn/cli.py", None, "VALUE = 1\n", {}),
        (
            "scripts/report.py",
            "main(arguments: Namespace) -> None:",
            "main(arguments: Namespace, /) -> None:",
            AFTER_TRAINING,
        ),
        ("data/embedded/README.md", None, "more\n", {}),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_an_edit_runs_what_it_touches(
    edited: Project, file: str, old: str | None, new: str, expected: dict[str, int] | None
) -> None:
    if old is None:
        path = edited.folder / file
        path.write_text((path.read_text() if path.exists() else "") + new)
    else:
        edited.edit(file, old, new)
    if expected is None:  # metrics are in the hands of all that evaluate, examine, and of baselines and report
        expected = {"baselines": TASKS, "evaluate": TASKS, "examine": TASKS, **AFTER_TRAINING}
    assert edited.would_run() == expected


def test_one_structure_runs_everything(edited: Project) -> None:
    path = edited.folder / "data/embedded/materials.parquet"
    table = pq.read_table(path)
    column = table.schema.get_field_index("lattice")
    lattices = table["lattice"].to_pylist()
    lattices[0] = list(1.001 * np.array(lattices[0]))
    pq.write_table(
        table.set_column(column, table.schema.field(column), pa.array(lattices, table.schema.field(column).type)), path
    )
    assert edited.would_run() == EVERYTHING


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("results/energy/formula/metrics.json", "evaluate"),
        ("results/energy/formula/gated/model.json", "train"),
        ("results/provenance.json", "provenance"),
        ("data/rejects.parquet", "fetch"),
        ("data/splits/formula/energy.parquet", "split"),
        ("results/energy/formula/test.csv", "evaluate"),
    ],
)
def test_a_deleted_result_is_made_again(edited: Project, file: str, rule: str) -> None:
    path = edited.folder / "runs/smoke" / file
    content = path.read_bytes()
    path.unlink()
    try:
        assert edited.would_run().get(rule) == 1
    finally:
        path.write_bytes(content)


def test_other_content_with_an_old_date_is_seen(edited: Project) -> None:
    """As `mv`, `cp -p`, rsync and tar leave it."""
    path = edited.folder / "data/embedded/materials.parquet"
    pq.write_table(pq.read_table(path), path, compression="none")
    os.utime(path, (1e9, 1e9))
    assert edited.would_run()["fetch"] == 1


def test_braces_are_text(smoke: Project) -> None:
    overlay = smoke.folder / "braces.yaml"
    overlay.write_text('report: {title: "{a} in eV/Å^{3}"}\n')
    assert smoke.would_run("--configfile", "presets/smoke.yaml", str(overlay)) == AFTER_TRAINING


def test_a_configuration_mistake_is_two_lines(smoke: Project) -> None:
    done = smoke.snakemake("--dry-run", "--config", "trian=1")
    assert done.returncode != 0
    assert "trian: unknown key. Did you mean train?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_missing_file_of_the_user_is_a_few_lines(smoke: Project) -> None:
    done = smoke.snakemake("--dry-run", "--config", "source={name: local, paths: [nowhere]}")
    assert done.returncode != 0
    assert "source.paths: nowhere: no such file or folder" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr and "InputFunction" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "target", "message"),
    [
        ("source={name: local, paths: [.empty]}", "all", "source.paths: .empty: no file in this folder"),
        ("source={name: local, paths: ['{a}.csv']}", "all", "Snakemake takes braces for wildcards. Rename the file"),
        ("study={shares: [0.00001]}", "study", "study.shares.0: Input should be greater than or equal to 0.001"),
        ("screen={variant: gatd}", "screen", "screen.variant: gatd is none of those of this run. Choose from none,"),
        ("screen={split: random}", "screen", "screen.split: random is none of those of this run. Choose from formula."),
        ("screen={hindsight: {task: gap}}", "screen", "screen.hindsight.task: gap is none of those of this run."),
        ("screen={paths: [nowhere.cif]}", "screen", "screen.paths: nowhere.cif: no such file or folder"),
        ("limits={variant: gatd}", "limits", "limits.variant: gatd is none of those of this run. Choose from none,"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(settings: str, target: str, message: str, smoke: Project) -> None:
    (smoke.folder / ".empty").mkdir(exist_ok=True)
    (smoke.folder / "{a}.csv").write_text("material_id,cif\n")
    done = smoke.snakemake("--dry-run", "--config", settings, "--", target)
    told = done.stdout + done.stderr
    assert done.returncode != 0 and message in told and "Traceback (most" not in told


def test_a_candidate_may_have_a_space_in_its_name(smoke: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = smoke.folder / "my own"
    folder.mkdir()
    (folder / "salt.cif").write_text(rock_salt().to(fmt="cif"))
    monkeypatch.setenv("MY_CANDIDATES", str(folder))
    path = "screen={paths: [$MY_CANDIDATES/salt.cif]}"
    done = smoke.snakemake("--dry-run", "--printshellcmds", "--config", path, "--", "screen")
    assert "--candidates '" in done.stdout and "my own/salt.cif' --ranking" in done.stdout, done.stdout + done.stderr


def test_an_edited_candidate_is_seen(smoke: Project) -> None:
    """In a folder, too, which is no newer for it; and what cannot be used is told."""
    folder = smoke.folder / "candidates"
    (folder / "below").mkdir(parents=True)
    good, bad = folder / "below/salt.cif", folder / "bad.cif"
    good.write_text(rock_salt().to(fmt="cif"))
    bad.write_text("nothing")
    quick = "hindsight: {hidden_hits: [0.5], draws: 1}, wants: {energy: [null, -2.5]}, paths: [candidates]"
    (smoke.folder / "candidates.yaml").write_text(f"screen: {{{quick}}}\n")
    files = ("--configfile", "presets/smoke.yaml", str(smoke.folder / "candidates.yaml"))
    done = smoke.snakemake(*files, "--", "screen")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "2 candidates; the best: salt" in (told := done.stdout + done.stderr) and "1 of them could not be used" in told
    )
    assert smoke.would_run(*files, "--", "screen") == {}
    good.write_text(rock_salt().scale_lattice(200).to(fmt="cif"))
    os.utime(good, (1, 1))
    assert smoke.would_run(*files, "--", "screen") == {"screen": 1}
    good.unlink()
    done = smoke.snakemake(*files, "--", "screen")
    assert "None of the 1 candidates can be used. bad: " in done.stdout + done.stderr and done.returncode != 0
    shutil.rmtree(smoke.folder / "runs/smoke/results/screen")  # no part of the run that other tests look at


def test_values_without_names_go_to_the_targets_in_the_order_of_the_tasks(smoke: Project) -> None:
    folder = smoke.folder / "mine"
    folder.mkdir()
    (folder / "id_prop.csv").write_text("salt,-1.5,4.25\n")
    (folder / "salt.cif").write_text(rock_salt().to(fmt="cif"))
    overlay = smoke.folder / "mine.yaml"
    overlay.write_text(
        "run: mine\nsource: {name: local, paths: [mine]}\ntasks: {energy: null, family: null, "
        "first: {kind: regression, target: zeta}, second: {kind: regression, target: alpha}}\n"
    )
    done = smoke.snakemake("--configfile", str(overlay), "--", "data/structures.parquet")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = pq.read_table(smoke.folder / "runs/mine/data/structures.parquet").to_pylist()
    assert (row["zeta"], row["alpha"]) == (-1.5, 4.25)


def test_how_a_gpu_trains_is_handed_on_and_runs_nothing_again(smoke: Project) -> None:
    other = "execution={seeds_on_gpu: apart, precision_on_gpu: tf32, steps_on_gpu: replayed}"
    assert smoke.would_run("--config", other) == {}
    done = smoke.snakemake("--dry-run", "--printshellcmds", "--forcerun", "train", "--config", other)
    assert "--seeds-on-gpu apart --precision-on-gpu tf32 --steps-on-gpu replayed" in done.stdout
    done = smoke.snakemake("--dry-run", "--config", "execution={steps_on_gpu: recorded}")
    assert "execution.steps_on_gpu: Input should be 'launched' or 'replayed'" in done.stdout + done.stderr


def test_pages_that_were_made_are_told(smoke: Project) -> None:
    done = smoke.snakemake("--forcerun", "report")
    assert done.returncode == 0, done.stdout + done.stderr
    pages = re.findall(r"^To read: (.*)$", done.stdout + done.stderr, re.MULTILINE)
    assert pages == [str(smoke.folder / "runs/smoke/results/report/index.html")]


def test_same_settings_give_the_same_bytes(smoke: Project, tmp_path: Path) -> None:
    """Everything once more, elsewhere: every output is equal, byte for byte, but for the seconds told in the report."""
    again = Project(copy_of_project(tmp_path / "again"), smoke.arguments)
    done = again.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = smoke.folder / "runs/smoke", again.folder / "runs/smoke"
    files = [p.relative_to(first) for part in ("data", "results") for p in (first / part).rglob("*") if p.is_file()]
    assert len(files) > 30
    different = [str(file) for file in files if content(first / file) != content(second / file)]
    assert different == []


def content(path: Path) -> bytes:
    """What is in a file, without the report's chapter on what the run cost."""
    return re.sub(rb'<section id="cost">.*?</section>', b"", path.read_bytes(), flags=re.DOTALL)
