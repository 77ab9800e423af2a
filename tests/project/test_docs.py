"""README and docs: every link leads somewhere, and what they tell to type exists."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tap_xero.config import CONFIG_SCHEMA, PREFIX
from tap_xero.streams.available import available_streams

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
WANTED = {
    "architecture",
    "configuration",
    "streams",
    "faults",
    "xero-app",
    "moving-from-2x",
    "paging",
    "scheduling",
    "faq",
}

# Words with an underscore that are neither keys nor streams: Singer's, and of other programs.
OTHER_WORDS = {
    "lifts_at",
    *("http_request_duration", "job_duration", "record_count", "sync_summary"),
    *("access_denied", "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client"),
    *("insufficient_scope", "offline_access", "currently_syncing", "key_properties"),
    *("tap_stream_id", "max_active_runs", "primary_key_required", "tap_xero"),
}


def ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def names_of_the_dbt_package() -> set[str]:
    """Return every name with an underscore in the package, and the models by their files."""
    files = [file for kind in ("sql", "yml") for file in (ROOT / "dbt").glob(f"[mt]*/**/*.{kind}")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return set(re.findall(r"[a-z]+(?:_[a-z0-9]+)+", text)) | {file.stem for file in files}


@cache
def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    titles = re.findall(r"^#+ +(.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@cache
def flags_of_the_tap() -> set[str]:
    command = [sys.executable, "-m", "tap_xero", "--help"]
    told = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, text=True)
    return set(re.findall(r"--[a-z-]+", told.stdout))


def test_every_page_that_the_readme_promises_is_there() -> None:
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} >= WANTED


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_flags_of_the_tap_exist(page: Path) -> None:
    """Everything after `tap-xero` on a line, up to a pipe, and lone flags between backticks."""
    joined = text_of(page).replace("\\\n", " ")
    commands = re.findall(r"tap-xero (?!--rm)([^`|\n>]*)", joined)
    lone = re.findall(r"`(--[a-z-]+)[^`]*`", joined)
    for command in commands:
        lone += re.findall(r"(?<![\w-])--[a-z-]+", command)
    assert set(lone) <= flags_of_the_tap()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_config_keys_and_streams_exist(page: Path) -> None:
    known = set(CONFIG_SCHEMA["properties"]) | {
        each.stream.tap_stream_id for each in available_streams(line_tables=True)
    }
    known |= names_of_the_dbt_package() if page.stem == "warehouse" else set()
    words = set(re.findall(r"`\"?([a-z]+(?:_[a-z0-9]+)+)\"?(?:`|:| …)", text_of(page)))
    assert words - known - OTHER_WORDS == set()
    variables = re.findall(rf"\b{PREFIX}([A-Z_]+)\b", text_of(page))
    assert {name.lower() for name in variables} <= known


def test_every_path_that_the_page_of_the_architecture_names_is_there() -> None:
    page = text_of(ROOT / "docs" / "architecture.md")
    paths = re.findall(r"`((?:tap_xero|tests|schemas)/[\w./]*|CHANGELOG\.md)`", page)
    assert len(set(paths)) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_readme_can_be_read_in_one_sitting() -> None:
    lines = text_of(ROOT / "README.md").splitlines()
    assert len(lines) <= 130
    assert max(len(line) for line in lines) <= 130
