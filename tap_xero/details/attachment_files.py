"""Files that were attached to documents, kept in a folder.

A file stands at `<folder>/<document type>/<document id>/<attachment id>-<file name>`. Names come
from whoever uploaded the file, so of each part only letters, digits, spaces and `._-` are taken
over: no name leads out of the folder, hides, or cannot be written on another system. The bytes are
written under another name first, so a file with its own name is whole, however the run ends. Where
Xero says another length than a file has, a file `<name>.length` beside it holds Xero's length.
"""

from __future__ import annotations

import os
from pathlib import Path

from tap_xero.errors import InputError, StreamError

# In bytes: a name with an id before it and an ending behind stays below the usual 255.
_LONGEST_ID = 40
_LONGEST_NAME = 150
_LONGEST_ENDING = 20


def prepare_folder(folder: str) -> Path:
    """Make the folder and prove that files can be put there; raises InputError when they cannot."""
    import tempfile  # takes a while, and most syncs do without

    try:
        path = Path(folder).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: "~" of nobody
        raise InputError(
            f"attachments_dir: {folder} cannot be written ({_reason(error)}): give a folder that "
            "can, or remove the key to read attachments without their content"
        ) from error


def place(folder: Path, document_type: str, document: str, attachment: str, name: str) -> Path:
    """Return where a file belongs; `document` and `attachment` are ids, `name` is Xero's."""
    file = f"{_safe_id(attachment)}-{_safe_name(name)}"
    return folder / document_type / _safe_id(document) / file


def holds(path: Path, length: int | None) -> bool:
    """Say whether the file is there, with the `length` (bytes) that Xero says, if it says any.

    A file that `save` was given with another length has a note of that length beside it.
    """
    try:
        if length in (None, path.stat().st_size):
            return True
        return _note(path).read_text(encoding="ascii") == str(length)
    except (OSError, UnicodeDecodeError):
        return False


def save(path: Path, content: bytes, length: int | None = None) -> None:
    """Write a file, in place of an older one if there is one.

    If Xero says another `length`, that is noted in a file beside it, so that a later run does not
    ask for the file again. Raises StreamError if a file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        if length in (None, len(content)):
            _note(path).unlink(missing_ok=True)
        else:
            _write(_note(path), b"%d" % length)
    except OSError as error:
        raise StreamError(
            f"{path}: cannot be written ({_reason(error)}): correct that, or attachments_dir, and "
            "run again"
        ) from error


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.length")


def _safe_id(text: str) -> str:
    return _cut(_only(text, "-"), _LONGEST_ID)


def _safe_name(text: str) -> str:
    kept = _only(text, " ._-")
    stem, dot, ending = kept.rpartition(".")
    if not dot or len(ending.encode()) > _LONGEST_ENDING:
        stem, ending = kept, ""
    short, ending = _cut(stem, _LONGEST_NAME), ending.strip(" .")
    return f"{short}.{ending}" if ending else short


def _only(text: str, signs: str) -> str:
    return "".join(each if each.isalnum() or each in signs else "_" for each in text)


def _cut(text: str, longest: int) -> str:
    """Return text of so many bytes, without spaces and dots at its ends, which Windows drops."""
    return text.encode()[:longest].decode(errors="ignore").strip(" .") or "_"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
