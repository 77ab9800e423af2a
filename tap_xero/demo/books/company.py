"""The company behind the demo: its chart of accounts, people, goods, and who it trades with.

Everything is a function of the seed, the size and the moment the demo starts, so that any row can
be made again from its number alone and nothing has to be kept.
"""

# ruff: noqa: PLR2004 - the odds and proportions of an invented company

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from random import Random
from typing import NamedTuple
from zlib import crc32

DAY = 86_400_000
HISTORY = 3 * 365 * DAY


class Account(NamedTuple):
    """One row of the chart of accounts; `bank` is a bank account number."""

    code: str
    name: str
    type: str
    account_class: str
    tax_type: str
    system: str = ""
    bank: str = ""
    status: str = "ACTIVE"
    description: str = ""


class Contact(NamedTuple):
    """Somebody the company sells to or buys from."""

    number: int
    name: str
    first: str
    last: str
    town: str
    currency: str
    customer: bool
    supplier: bool
    archived: bool


class Item(NamedTuple):
    """A good or service; prices in ten-thousandths of the currency."""

    number: int
    code: str
    name: str
    sale: int
    cost: int
    tracked: bool


class Option(NamedTuple):
    """One option of a tracking category."""

    category: str
    name: str
    archived: bool


CHART = (
    Account("090", "Business Bank Account", "BANK", "ASSET", "NONE", bank="0209087654321050"),
    Account("091", "Business Savings Account", "BANK", "ASSET", "NONE", bank="0209087654321051"),
    Account("092", "Company Credit Card", "BANK", "ASSET", "NONE", bank="4111-XXXX-XXXX-0092"),
    Account("200", "Sales", "REVENUE", "REVENUE", "OUTPUT2", description="Income from bicycles"),
    Account("210", "Workshop Income", "REVENUE", "REVENUE", "OUTPUT2"),
    Account("260", "Other Revenue", "REVENUE", "REVENUE", "OUTPUT2"),
    Account("270", "Interest Income", "REVENUE", "REVENUE", "NONE"),
    Account("310", "Cost of Goods Sold", "DIRECTCOSTS", "EXPENSE", "INPUT2"),
    Account("400", "Advertising", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("404", "Bank Fees", "EXPENSE", "EXPENSE", "NONE"),
    Account("408", "Cleaning", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("412", "Consulting & Accounting", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("416", "Depreciation", "DEPRECIATN", "EXPENSE", "NONE"),
    Account("420", "Entertainment", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("425", "Freight & Courier", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("429", "General Expenses", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("433", "Insurance", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("445", "Light, Power, Heating", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("449", "Motor Vehicle Expenses", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("453", "Office Expenses", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("461", "Printing & Stationery", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("469", "Rent", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("473", "Repairs and Maintenance", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("477", "Wages and Salaries", "EXPENSE", "EXPENSE", "NONE"),
    Account("485", "Subscriptions", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("489", "Telephone & Internet", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("493", "Travel - National", "EXPENSE", "EXPENSE", "INPUT2"),
    Account("494", "Travel - International", "EXPENSE", "EXPENSE", "NONE", status="ARCHIVED"),
    Account(
        "499",
        "Realised Currency Gains",
        "EXPENSE",
        "EXPENSE",
        "NONE",
        system="REALISEDCURRENCYGAIN",
    ),
    Account("610", "Accounts Receivable", "CURRENT", "ASSET", "NONE", system="DEBTORS"),
    Account("630", "Inventory", "INVENTORY", "ASSET", "NONE"),
    Account("710", "Office Equipment", "FIXED", "ASSET", "INPUT2"),
    Account("711", "Less Accumulated Depreciation", "FIXED", "ASSET", "NONE"),
    Account("800", "Accounts Payable", "CURRLIAB", "LIABILITY", "NONE", system="CREDITORS"),
    Account(
        "801",
        "Unpaid Expense Claims",
        "CURRLIAB",
        "LIABILITY",
        "NONE",
        system="UNPAIDEXPCLM",
    ),
    Account("820", "GST", "CURRLIAB", "LIABILITY", "NONE", system="GST"),
    Account("825", "PAYE Payable", "CURRLIAB", "LIABILITY", "NONE"),
    Account("840", "Historical Adjustment", "CURRLIAB", "LIABILITY", "NONE", system="HISTORICAL"),
    Account("860", "Rounding", "CURRLIAB", "LIABILITY", "NONE", system="ROUNDING"),
    Account(
        "877", "Tracking Transfers", "CURRLIAB", "LIABILITY", "NONE", system="TRACKINGTRANSFERS"
    ),
    Account("900", "Loan", "TERMLIAB", "LIABILITY", "NONE"),
    Account(
        "960",
        "Retained Earnings",
        "EQUITY",
        "EQUITY",
        "NONE",
        system="RETAINEDEARNINGS",
    ),
    Account("970", "Owner A Funds Introduced", "EQUITY", "EQUITY", "NONE"),
)
ACCOUNTS = {account.code: account for account in CHART}
BANK, SAVINGS, CARD = "090", "091", "092"
DEBTORS, CREDITORS, CLAIMS, GST, CURRENCY_GAINS = "610", "800", "801", "820", "499"

# Tax type: name, report type, percent.
TAX_RATES = {
    "OUTPUT2": ("15% GST on Income", "OUTPUT", 15),
    "INPUT2": ("15% GST on Expenses", "INPUT", 15),
    "ZERORATED": ("Zero Rated", "OUTPUT", 0),
    "GSTONIMPORTS": ("GST on Imports", "GSTONIMPORTS", 0),
    "NONE": ("No GST", "NONE", 0),
}

CURRENCIES = {
    "NZD": "New Zealand Dollar",
    "AUD": "Australian Dollar",
    "USD": "United States Dollar",
}
# Units of the currency for one New Zealand dollar, in millionths: Xero's CurrencyRate.
RATES = {"NZD": 1_000_000, "AUD": 937_053, "USD": 612_418}

OPTIONS = (
    Option("Region", "North", archived=False),
    Option("Region", "South", archived=False),
    Option("Region", "Eastside", archived=False),
    Option("Region", "West Coast", archived=False),
    Option("Region", "Offshore", archived=True),
    Option("Department", "Retail", archived=False),
    Option("Department", "Workshop", archived=False),
    Option("Department", "Hire", archived=False),
    Option("Season", "Summer 2021", archived=True),
)
# Tracking categories and whether they are archived.
CATEGORIES = {"Region": False, "Department": False, "Season": True}

PEOPLE = (
    ("Aroha", "Ngata", "MANAGEDCLIENT", True),
    ("Tom", "O'Brien", "STANDARD", False),
    ("Zoë", "Kjær", "FINANCIALADVISER", False),
    ("Mei", "Lin", "READONLY", False),
)

_FIRST = (
    *("Aroha", "Liam", "Zoë", "Wiremu", "Olivia", "Søren", "Mei", "Jack", "Anahera", "Lucía"),
    *("Noah", "Charlotte", "Rawiri", "Amelia", "Hemi", "Isla", "Björn", "Priya", "George", "Nikau"),
)
_LAST = (
    *("Ngata", "Gallagher", "Tāmihana", "Warren", "Kjær", "O'Brien", "Patel", "Rubble", "Parker"),
    *("Skywalker", "Müller", "Hohepa", "García", "Thompson", "Lin", "Fraser", "Walker", "Rangi"),
)
_TRADES = (
    *("Cycle Hire", "Couriers", "Outdoor Centre", "Holdings Limited", "& Sons", "Sports", "Café"),
    *("Components", "Wheels", "Logistics", "Design Studio", "School", "Property Trust", "Imports"),
)
_TOWNS = ("Wellington", "Auckland", "Nelson", "Ōtaki", "Dunedin", "Whāngārei", "Napier", "Picton")
_GOODS = (
    *("City Bicycle", "Touring Frame", "Wheel Set", "Brake Pads", "Chain Lube 120 ml", "Helmet"),
    *("Carbon Fork", 'Tyre 28" x 1.5"', "Inner Tube", "Service, full", "Service, half", "Lock"),
    *("Pannier", "Saddle", "Front Light", "Rear Light", "Pump", "Gloves", "Child Seat", "Bell"),
)


@dataclass(frozen=True)
class Company:
    """What every row is made from.

    now: the demo's start in milliseconds since the epoch.
    converted: the books were kept elsewhere before, and reports value what is owed in other
        currencies (see `unposted`).
    """

    seed: int
    size: int
    now: int
    lines: int | None = None
    name: str = "Harbour Street Cycles Limited"
    converted: bool = False

    def uid(self, kind: str, number: object) -> str:
        """Give the id of a thing, the same every time: a version 4 UUID in form."""
        text = blake2b(f"{self.seed}/{kind}/{number}".encode(), digest_size=16).hexdigest()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def dice(self, kind: str, number: int) -> Random:
        """Give a thing's own source of chance, so that it can be made again on its own."""
        return Random((self.seed << 80) ^ (crc32(kind.encode()) << 40) ^ number)

    def moment(self, kind: str, number: int, count: int) -> int:
        """Spread `count` things of a kind over the years before now; give the instant of one."""
        start = self.now - HISTORY
        step = (HISTORY - DAY // 4) / max(count, 1)
        fraction = crc32(f"{kind}{number}{self.seed}".encode()) / 2**32
        return min(start + int((number + fraction * 0.9) * step), self.now - 1000)

    @cached_property
    def contacts(self) -> tuple[Contact, ...]:
        """Give everybody the company trades with; every tenth is archived and has no business."""
        return tuple(self._contact(number) for number in range(max(12, self.size // 20)))

    def _contact(self, number: int) -> Contact:
        dice = self.dice("Contacts", number)
        first, last = dice.choice(_FIRST), dice.choice(_LAST)
        trade = f"{last} {dice.choice(_TRADES)}" if dice.random() < 0.7 else f"{first} {last}"
        currency = dice.choice(("AUD", "USD")) if number % 9 == 4 else "NZD"
        return Contact(
            number=number,
            name=f"{trade} {number + 1}",
            first=first,
            last=last,
            town=dice.choice(_TOWNS),
            currency=currency,
            customer=number % 3 != 1,
            supplier=number % 3 != 0,
            archived=number % 10 == 9,
        )

    @cached_property
    def customers(self) -> tuple[Contact, ...]:
        """Give those who can be sold to."""
        return tuple(c for c in self.contacts if c.customer and not c.archived)

    @cached_property
    def suppliers(self) -> tuple[Contact, ...]:
        """Give those who can be bought from."""
        return tuple(c for c in self.contacts if c.supplier and not c.archived)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Give the goods and services."""
        return tuple(self._item(number) for number in range(min(200, max(8, self.size // 50))))

    def _item(self, number: int) -> Item:
        dice = self.dice("Items", number)
        name = _GOODS[number % len(_GOODS)]
        generation = number // len(_GOODS)
        sale = dice.randrange(20_000, 24_000_000)
        return Item(
            number=number,
            code=f"{name[:2].upper()}-{number:03d}",
            name=f"{name} mk {generation + 1}" if generation else name,
            sale=sale,
            cost=int(sale * 0.62),
            tracked=number % 4 == 0 and "Service" not in name,
        )

    @cached_property
    def item_briefs(self) -> tuple[dict[str, str], ...]:
        """Give, for each item, how it stands on a line."""
        return tuple(
            {"ItemID": self.uid("Items", item.number), "Name": item.name, "Code": item.code}
            for item in self.items
        )

    @cached_property
    def account_ids(self) -> dict[str, str]:
        """Give the id of each account code."""
        return {code: self.uid("Accounts", code) for code in ACCOUNTS}

    @cached_property
    def tracking(self) -> tuple[dict[str, str], ...]:
        """Give, for each option, how it stands on a line."""
        return tuple(
            {
                "Name": option.category,
                "Option": option.name,
                "TrackingCategoryID": self.uid("TrackingCategories", option.category),
                "TrackingOptionID": self.uid("TrackingOptions", option.category + option.name),
            }
            for option in OPTIONS
        )

    @cached_property
    def themes(self) -> tuple[str, ...]:
        """Give the ids of the branding themes."""
        return tuple(self.uid("BrandingThemes", number) for number in range(2))
