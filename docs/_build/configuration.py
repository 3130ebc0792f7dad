"""The page of every key of config.yaml: meaning and default from its comments and values, limits from the schema."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cgcnn.config import Config

KEY = re.compile(r"^(?P<indent> *)(?P<key>[\w.-]+):(?P<rest>.*)$")
COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")
INTRODUCTION = """# Configuration

Every key of `config.yaml`, written when this site is built: meaning and default from that file, limits from the schema
that refuses what lies outside (`cgcnn/config.py`). A file of your own lies over it (`--configfile mine.yaml`,
[presets](../howto/presets.md)) and needs only the keys that differ. `<name>` is a name that you choose. Units
stand with the meaning; a key without a unit has none.
"""
HEADER = "\n| key | default | may be | meaning |\n|---|---|---|---|"


def page(path: Path) -> str:
    """The page as Markdown, from the file `path`, which must follow the schema."""
    text = path.read_text(encoding="utf-8")
    meanings, values = comments(text), yaml.safe_load(text)
    schema = Config.model_json_schema()
    sections = {name: list(keys(schema, node, name)) for name, node in schema["properties"].items()}
    loose = [(name, schema["properties"][name]) for name, below in sections.items() if not below]
    parts = [INTRODUCTION, "\n## Top level\n", HEADER, *rows(schema, loose, meanings, values)]
    for name in values:
        if sections[name]:
            about = f"{meanings[name]}.\n" if name in meanings else ""
            parts += [f"\n## {name}\n", about, HEADER, *rows(schema, sections[name], meanings, values)]
    return "\n".join(parts) + "\n"


def rows(
    schema: dict[str, Any], found: list[tuple[str, dict[str, Any]]], meanings: dict[str, str], values: dict[str, Any]
) -> Iterator[str]:
    for key, leaf in found:
        example = example_of(key, values)
        entry = example.rpartition(".")[0] if "<name>" in key else ""
        meaning = meanings.get(key) or meanings.get(example) or meanings.get(entry, "")
        cells = (f"`{key}`", default(key, leaf, values), limits(schema, leaf), meaning.replace("<", "&lt;"))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def keys(schema: dict[str, Any], node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, schema) of every key below a section; a mapping of sections has <name> in its paths."""
    if "$ref" in (entries := values_of(node)):
        node, path = entries, f"{path}.<name>"
    if "$ref" in node:
        for key, child in resolved(schema, node)["properties"].items():
            common = key in ("model", "train") and path != key  # a variant's own settings over the common ones
            below = [] if common else list(keys(schema, child, f"{path}.{key}"))
            yield from below or [(f"{path}.{key}", child)]


def values_of(node: dict[str, Any]) -> dict[str, Any]:
    """Schema of the values of a mapping, whatever its keys are."""
    return next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties") or {})


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def comments(text: str) -> dict[str, str]:
    """Comment of each key by its path; lines of comment that follow a key go on with its comment."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        comment = COMMENT.search(line)
        if key := KEY.match(line):
            path = [(indent, name) for indent, name in path if indent < len(key["indent"])]
            path.append((len(key["indent"]), key["key"]))
            if comment:
                found[".".join(name for _, name in path)] = comment[1]
        elif comment and line.startswith(" ") and path:
            name = ".".join(name for _, name in path)
            found[name] = f"{found.get(name, '')} {comment[1]}".strip()
    return found


def example_of(key: str, values: dict[str, Any]) -> str:
    """`tasks.<name>.unit` -> `tasks.energy.unit`: the first entry of the file that has the key."""
    section, _, rest = key.partition(".<name>.")
    entries = values.get(section)
    return next((f"{section}.{name}.{rest}" for name in entries if rest in entries[name]), key) if rest else key


def default(key: str, leaf: dict[str, Any], values: dict[str, Any]) -> str:
    """The value in config.yaml; of a key below <name>, that of the schema, if there is one."""
    if "<name>" in key:
        return code(leaf["default"]) if "default" in leaf else ""
    node: Any = values
    for part in key.split("."):
        node = node[part]
    return code(node)


def code(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).strip()
    return f"`{text.removesuffix('...').strip()}`"


def limits(schema: dict[str, Any], leaf: dict[str, Any]) -> str:
    """What a key may be, in words."""
    node = resolved(schema, leaf)
    if "anyOf" in node:
        return " or ".join(limits(schema, choice) for choice in node["anyOf"])
    if "enum" in node or "const" in node:
        return ", ".join(f"`{choice}`" for choice in node.get("enum", [node.get("const")]))
    kind = node.get("type", "anything")
    if kind == "array":
        items = node.get("prefixItems")
        inner = "; ".join(limits(schema, item) for item in items) if items else limits(schema, node.get("items", {}))
        return f"list of {len(items)}: {inner}" if items else f"list of: {inner}"
    if kind == "object":
        if "properties" in node:
            return f"any key of `{node['title'].lower()}`, over the common one"
        return f"mapping to: {limits(schema, values_of(node))}"
    words = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "null": "`null`"}
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    parts = [f"{sign} {node[bound]:,}" for bound, sign in bounds.items() if bound in node]
    return " ".join([words.get(kind, kind), ", ".join(parts)]).strip()
