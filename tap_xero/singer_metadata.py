"""The `metadata` module of singer-python, without the rest of singer-python.

An `import singer` loads requests, jsonschema and asyncio, which takes as long again as all else
that a discovery does, and sets logging up anew. The one module that is wanted needs none of it,
so it is loaded from its file.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def singer_metadata() -> ModuleType:
    """Return `singer.metadata`. Raises ModuleNotFoundError if singer-python is not installed."""
    package = find_spec("singer")
    places = package.submodule_search_locations if package else []
    spec = PathFinder.find_spec("singer.metadata", places)
    if not (spec and spec.loader):
        raise ModuleNotFoundError("No module named 'singer.metadata'", name="singer.metadata")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
