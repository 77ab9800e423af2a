"""All streams that a catalog offers: lists, reports, and details of documents."""

from __future__ import annotations

from tap_xero.details import DETAILS
from tap_xero.reports import REPORTS
from tap_xero.streams import STREAMS

OFFERED = (*STREAMS, *REPORTS, *(detail.stream for detail in DETAILS))
