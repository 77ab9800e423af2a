"""Packaging of tap-xero; the settings of the tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "tap_xero" / "__init__.py").read_text())

setup(
    name="tap-xero",
    version=VERSION[1] if VERSION else None,
    description="Singer tap for the Xero Accounting API: no record lost, money exact, few calls",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    # The schemas live at the top level of the repository and are installed inside the package.
    packages=[*find_packages(include=["tap_xero*"]), "tap_xero.schemas"],
    package_dir={"tap_xero.schemas": "schemas"},
    package_data={"tap_xero.schemas": ["*.json", "shared/*.json"], "tap_xero": ["py.typed"]},
    install_requires=[
        "singer-python>=6.8.0",
        "requests>=2.32.2",
        "backoff>=2.2.1",
        "pendulum>=3.0.0",
        "jsonschema>=2.6.0",
        "msgspec>=0.18.6",
        "rich>=13.0.0",
    ],
    entry_points={"console_scripts": ["tap-xero=tap_xero.__main__:main"]},
    classifiers=[
        "Environment :: Console",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
    ],
)
