"""A Singer tap for the Xero Accounting API."""

__version__ = "3.0.0"
