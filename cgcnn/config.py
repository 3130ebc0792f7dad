"""The only schema of config.yaml: names, types, bounds. What it accepts is what the pipeline understands.

The comments of config.yaml say what each key means; here is what each may be.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from cgcnn.errors import InputError
from cgcnn.splits import Strategy
from cgcnn.tables import STRUCTURES

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
T = TypeVar("T")


def _each_once(values: list[T]) -> list[T]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands there twice")
    return values


def _a_folder_name(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", value):
        raise ValueError("letters, digits, - . and _ alone, the first a letter or digit; it names a folder in runs/")
    return value


Unique = AfterValidator(_each_once)


class Section(BaseModel):
    """A mapping of config.yaml that refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MaterialsProject(Section):
    anions: Annotated[list[Literal["O", "S", "Se", "N", "F", "Cl", "Br", "I"]], Field(min_length=1), Unique]
    double_perovskites: bool
    max_sites: Annotated[int, Field(ge=5)]
    max_energy_above_hull: NonNegativeFloat | None
    deprecated: bool
    thermo_type: Literal["GGA_GGA+U", "GGA_GGA+U_R2SCAN", "R2SCAN"]
    oxides: PositiveInt
    seed: Seed


class Source(Section):
    name: Literal["embedded", "local", "materials_project"]
    paths: list[str]
    columns: dict[str, str]
    about: dict[str, str]
    families: Literal["auto", "given", "topology"]
    materials_project: MaterialsProject

    @model_validator(mode="after")
    def _paths_belong_to_local(self) -> "Source":
        if self.name == "local" and not self.paths:
            raise ValueError("source local needs paths: a list of your files or folders")
        if self.name != "local" and (self.paths or self.columns or self.about):
            raise ValueError(f"paths, columns and about belong to source local, not to {self.name}")
        return self


class Structures(Section):
    lithium_niobate_type: Literal["keep", "drop"]
    sample: dict[str, PositiveInt]
    sample_seed: Seed


class Graphs(Section):
    cutoff: Annotated[float, Field(gt=0, le=8)]  # the Gaussians of the network end there
    max_neighbours: PositiveInt
    ties: Literal["shells", "cut"]
    tie_tolerance: Annotated[float, Field(ge=0, le=1)]
    angles: bool
    keep_images: bool
    shards: PositiveInt


class Split(Section):
    fractions: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    seed: Seed

    @model_validator(mode="after")
    def _fractions_are_a_whole(self) -> "Split":
        if abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(f"fractions must add up to 1, these add up to {sum(self.fractions):g}")
        return self


class Task(Section):
    kind: Literal["regression", "classification"]
    target: Annotated[str, Field(min_length=1)]
    unit: str = ""
    families: list[str] = []
    positive: str | None = None

    @model_validator(mode="after")
    def _families_make_classes(self) -> "Task":
        if self.target in STRUCTURES.names and self.target != "family":
            raise ValueError(
                f"target {self.target} is a column that the structures have anyway; give yours another name "
                "(source.columns maps it to the file's)"
            )
        if self.target == "family":
            if self.kind != "classification" or self.positive is None:
                raise ValueError("a task with target family is a classification and says which family is positive")
            if self.positive not in self.families or len(set(self.families)) < 2:
                raise ValueError("families must hold the positive family and at least one other")
        elif self.positive is not None:
            raise ValueError("positive belongs to a task with target family; other classes are 0 and 1 in their column")
        return self


class Model(Section):
    atom_dim: PositiveInt
    n_conv: NonNegativeInt
    hidden_dim: PositiveInt
    n_hidden: NonNegativeInt
    pool: Literal["mean", "sum", "attention"]
    smooth_cutoff: Annotated[float, Field(ge=0, le=1)]
    shared_shell: Annotated[float, Field(ge=0, le=1)]
    angles: bool
    element_numbers: bool
    element_reference: bool


class Train(Section):
    seeds: Annotated[list[Seed], Field(min_length=1), Unique]
    epochs: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]  # batch norm needs two
    lr: PositiveFloat
    weight_decay: NonNegativeFloat
    loss: Literal["mse", "huber"]
    gradient_clip: PositiveFloat
    patience: PositiveInt
    distance_noise: NonNegativeFloat
    distance_strain: NonNegativeFloat


class Variant(Section):
    """One competitor, its overrides already laid over the common settings."""

    conv: Literal["none", "shared", "gated"]
    model: Model
    train: Train


class Evaluation(Section):
    bootstrap: Annotated[int, Field(ge=100)]
    seed: Seed


class Examination(Section):
    cells: PositiveInt
    umap: bool
    seed: Seed


class Study(Section):
    splits: Annotated[list[Strategy], Field(min_length=1), Unique]
    shares: Annotated[list[Annotated[float, Field(ge=0.001, lt=1)]], Unique]


class Report(Section):
    title: str


class Hindsight(Section):
    task: Name
    hidden_hits: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    hidden_others: Annotated[float, Field(gt=0, lt=1)]
    draws: PositiveInt
    seeds: Annotated[list[Seed], Field(min_length=1), Unique]


class Screen(Section):
    split: str
    variant: Name
    wants: Annotated[dict[Name, tuple[float | None, float | None]], Field(min_length=1)]
    anions: Annotated[list[Literal["O", "S", "Se", "N", "F", "Cl", "Br", "I"]], Field(min_length=1), Unique]
    paths: list[str]
    top: PositiveInt
    hindsight: Hindsight

    @model_validator(mode="after")
    def _windows_are_not_empty(self) -> "Screen":
        for name, (low, high) in self.wants.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"wants.{name}: no value lies in {low:g} to {high:g}; write the lower end first")
        return self


class Limits(Section):
    task: Name
    split: str
    variant: Name
    structures: PositiveInt
    seed: Seed


class Execution(Section):
    device: Literal["auto", "cpu", "cuda"]
    workers: PositiveInt
    threads: PositiveInt
    seeds_on_gpu: Literal["together", "apart"]
    precision_on_gpu: Literal["float32", "tf32"]
    steps_on_gpu: Literal["launched", "replayed"]
    checkpoint_seconds: PositiveInt
    longest_job: PositiveInt


class Config(Section):
    run: Annotated[str, AfterValidator(_a_folder_name)]
    source: Source
    structures: Structures
    graphs: Graphs
    splits: Annotated[list[Strategy], Field(min_length=1), Unique]
    split: Split
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    model: Model
    train: Train
    variants: Annotated[dict[Name, Variant], Field(min_length=1)]
    baselines: Annotated[list[Literal["mean", "elements", "composition"]], Unique]
    evaluation: Evaluation
    examination: Examination
    report: Report
    screen: Screen
    study: Study
    limits: Limits
    execution: Execution

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> "Config":
        taken = set(self.variants) & {"baselines", *self.baselines}
        if taken:
            raise ValueError(
                f"variants: {', '.join(sorted(taken))} is the name of a baseline; call the variant otherwise"
            )
        units: dict[str, str] = {}
        for task in self.tasks.values():
            if units.setdefault(task.target, task.unit) != task.unit:
                raise ValueError(f"tasks: target {task.target} has two units, {units[task.target]} and {task.unit}")
        return self

    @model_validator(mode="after")
    def _graphs_hold_what_variants_ask(self) -> "Config":
        graphs = self.graphs
        for name, variant in self.variants.items():
            if variant.model.angles and not graphs.angles:
                raise ValueError(f"variants.{name}: model.angles needs graphs.angles: true")
            smooth = variant.model.smooth_cutoff
            if smooth and (graphs.ties == "cut" or graphs.max_neighbours < 12 or smooth > graphs.tie_tolerance):
                raise ValueError(
                    f"variants.{name}: model.smooth_cutoff needs graphs.ties: shells, at least 12 neighbours, "
                    f"and a graphs.tie_tolerance of at least {smooth:g}"
                )
            if variant.conv == "gated" and variant.model.shared_shell and not smooth and graphs.max_neighbours != 12:
                raise ValueError(
                    f"variants.{name}: model.shared_shell shares the places of 12 neighbours. Set it to 0, "
                    "or graphs.max_neighbours to 12"
                )
        return self

    @model_validator(mode="after")
    def _columns_are_read(self) -> "Config":
        known = ["material_id", "structure", "family", *self.target_units()]
        for name in self.source.columns:
            if name not in known:
                raise ValueError(f"source.columns: {name} is nothing that is read; that would be {', '.join(known)}")
        return self

    def target_units(self) -> dict[str, str]:
        """Target columns that the structures table must carry, with their units."""
        return {task.target: task.unit for task in self.tasks.values() if task.target != "family"}


def validate(content: Mapping[str, Any]) -> Config:
    """Check the content of config.yaml with its overlays.

    Raises:
        InputError: every fault, one a line, by its path; for an unknown key also the nearest one that is known.
    """
    content = {
        **content,
        "tasks": _without_removed(content.get("tasks")),
        "variants": _with_common_settings(_without_removed(content.get("variants")), content),
    }
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        faults = [_describe(fault["loc"], fault["msg"], fault["type"], content) for fault in error.errors()]
        unique = "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
        raise InputError(f"The configuration is not valid:\n{unique}") from None


def _without_removed(entries: Any) -> Any:
    return {key: entry for key, entry in entries.items() if entry is not None} if isinstance(entries, dict) else entries


def _with_common_settings(variants: Any, content: Mapping[str, Any]) -> Any:
    """Lay each variant's own settings of model and train over the common ones."""
    if not isinstance(variants, dict):
        return variants
    complete = {}
    for name, variant in variants.items():
        complete[name] = dict(variant) if isinstance(variant, dict) else variant
        for key in ("model", "train"):
            common, own = content.get(key), variant.get(key, {}) if isinstance(variant, dict) else None
            if isinstance(common, dict) and isinstance(own, dict):
                complete[name][key] = common | own
    return complete


def _describe(path: tuple[int | str, ...], message: str, kind: str, content: Mapping[str, Any]) -> str:
    if len(path) == 4 and path[0] == "variants" and _at(path, content) == _at(path[2:], content):
        path = path[2:]  # a fault of the common settings, not of the variant that inherits it
    where = ".".join(str(part) for part in path) or "config"
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        return f"{where}: unknown key. " + (f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}.")
    if kind == "missing":
        return f"{where}: missing. Add it; config.yaml shows every key."
    found = _at(path, content)
    return f"{where}: {message.removeprefix('Value error, ')}" + (
        "" if isinstance(found, dict) else f" (found {found!r})"
    )


def _at(path: tuple[int | str, ...], content: Any) -> Any:
    for part in path:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """Keys that the section at `path` may have. A part that is no field is a name in a mapping of sections."""
    section: type[Section] = Config
    for part in path:
        if part in section.model_fields:
            section = _section_in(section.model_fields[str(part)].annotation) or section
    return sorted(section.model_fields)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)
