"""A small Xero of our own over real HTTP on loopback, with a demo organisation.

For `tap-xero --demo`, for the tests, which can tell it to misbehave, and for the benchmarks.
Nothing else imports it, so ordinary runs do not pay for it.
"""

from tap_xero.demo.behaviour import Behaviour
from tap_xero.demo.calls import Call
from tap_xero.demo.faults import Fault
from tap_xero.demo.server import DemoXero
from tap_xero.demo.tenants import Tenant, many_tenants

__all__ = ["Behaviour", "Call", "DemoXero", "Fault", "Tenant", "many_tenants"]
