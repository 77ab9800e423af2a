"""What one exchange does with bodies that are packed."""

from __future__ import annotations

import zlib

import pytest

from tap_xero.transport.exchange import GZIP, _unpacked
from tap_xero.transport.retries import TransientError


def _gzip_of_zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    piece = bytes(1 << 20)
    parts = [packer.compress(piece) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


def test_a_body_is_unpacked_whole() -> None:
    assert _unpacked(_gzip_of_zeros(3 << 20), "gzip") == bytes(3 << 20)


def test_a_body_that_is_cut_short_is_no_answer() -> None:
    with pytest.raises(TransientError, match="broken or cut short"):
        _unpacked(_gzip_of_zeros(3 << 20)[:-1], "gzip")


def test_a_body_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(TransientError, match="unpacks to more than 2 MB"):
        _unpacked(_gzip_of_zeros(3 << 20), "gzip", 2 << 20)
