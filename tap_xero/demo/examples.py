"""The example answers of Xero's API description, as bytes that the demo can serve.

Numbers keep the text they have in the YAML (46.00 stays 46.00); dates and everything that is not a
JSON number, true, false or null stays text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from tap_xero.demo.xero_json import render

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_DETAIL = re.compile(r"(\w+)/\{\w+\}/(History|Attachments)")
_QUOTED = ("'", '"', "|", ">")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def read_examples(description: str) -> dict[str, bytes]:
    """Read an API description; give the compact JSON of each list that has an example, by path.

    What it has of single documents goes by list and kind, such as `Invoices/History`.
    """
    import yaml

    loader = type("ExactLoader", (yaml.CSafeLoader,), {"yaml_constructors": {None: _construct}})
    with Path(description).open(encoding="utf-8") as file:
        document = yaml.load(file, loader)  # noqa: S506 - a safe loader
    examples = {}
    shared = document.get("components", {}).get("responses", {})
    for path, methods in document["paths"].items():
        example = _example_of(methods.get("get", {}), shared)
        name = _DETAIL.sub(r"\1/\2", path.strip("/"))
        if example is not None and "{" not in name:
            examples[name] = example
    return examples


def _construct(loader: Any, node: Any) -> Any:  # noqa: ANN401
    kind = node.tag.rpartition(":")[2]
    if kind == "map":
        return loader.construct_mapping(node, deep=True)
    if kind == "seq":
        return loader.construct_sequence(node, deep=True)
    if node.style in _QUOTED:
        return node.value
    if node.value.lower() in _WORDS:
        return _WORDS[node.value.lower()]
    return msgspec.Raw(node.value.encode()) if _NUMBER.fullmatch(node.value) else node.value


def _example_of(method: dict[str, Any], shared: dict[str, Any]) -> bytes | None:
    answer = method.get("responses", {}).get("200", {})
    if "$ref" in answer:
        answer = shared[answer["$ref"].rpartition("/")[2]]
    content = answer.get("content", {})
    example = content.get("application/json", {}).get("example")
    if isinstance(example, str):
        return example.encode()
    return None if example is None else render(example, pretty=False)
