"""All streams that a catalog offers: lists, reports, and details of documents."""

from __future__ import annotations

from tap_xero.details.walk import DETAILS
from tap_xero.streams.reports import REPORTS
from tap_xero.streams.stream import STREAMS

OFFERED = (*STREAMS, *REPORTS, *(detail.stream for detail in DETAILS))
