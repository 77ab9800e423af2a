"""A Singer tap for the Xero Accounting API."""

__version__ = "1.0.0"
