"""What each document says before it is written down: who, when, how much, and what settles it.

A plan is made from the company and a number alone, in integers (cents, ten-thousandths for
quantities and unit prices, millionths for currency rates), so an invoice, its payments and its
journals agree to the cent although each is made on its own, in any order.

Which invoice meets which credit note, prepayment, overpayment, batch or billable expense is fixed
by its number (`number % 20 == 7` has credit note `number // 20`, and so on), so neither side has to
look for the other.
"""

# ruff: noqa: PLR2004 - the odds and proportions of an invented company

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_xero.demo.books.company import (
    BANK,
    CARD,
    DAY,
    RATES,
    SAVINGS,
    TAX_RATES,
    Company,
    Contact,
    Item,
)

if TYPE_CHECKING:
    from random import Random

BATCH_MEMBERS = (1, 3, 5)
_EXPENSES = (
    *(("310", "Frames and parts"), ("400", "Online advertising"), ("408", "Shop cleaning")),
    *(("412", "Bookkeeping"), ("425", "Courier to customer"), ("433", "Shop insurance")),
    *(("445", "Electricity"), ("449", "Fuel, van"), ("453", "Office supplies")),
    *(("461", "Leaflets"), ("469", "Rent of workshop"), ("473", "Repair of lift")),
    *(("485", "Software subscription"), ("489", "Mobile phones"), ("493", "Flights")),
)
_SERVICES = (
    ("210", "Repair at the roadside"),
    ("260", "Delivery"),
    ("210", "Fitting, by the hour"),
)


class Line(NamedTuple):
    """A line: quantity and price in ten-thousandths, discount in percent, amounts in cents."""

    description: str
    item: Item | None
    quantity: int
    price: int
    discount: int
    account: str
    tax_type: str
    amount: int
    tax: int
    tracking: tuple[int, ...]


class Totals(NamedTuple):
    """Sums of lines, in cents."""

    subtotal: int
    tax: int
    total: int


class Settlement(NamedTuple):
    """A payment of an invoice: instant, cents, rate in millionths, and from or to which account."""

    at: int
    amount: int
    rate: int
    bank: str
    status: str
    batch: int | None


class Invoice(NamedTuple):
    """An invoice or bill as planned; instants in milliseconds, `credited` in cents."""

    number: int
    sale: bool
    contact: Contact
    created: int
    day: int
    due: int
    mode: str
    rate: int
    lines: tuple[Line, ...]
    totals: Totals
    status: str
    payments: tuple[Settlement, ...]
    credited: int
    stamp: int


class Credit(NamedTuple):
    """A credit note, prepayment or overpayment: against `invoice` in full, or still unused."""

    number: int
    invoice: Invoice | None
    sale: bool
    contact: Contact
    at: int
    rate: int
    totals: Totals
    tax_type: str
    account: str


class CashEntry(NamedTuple):
    """Money spent or received with no invoice."""

    number: int
    spent: bool
    contact: Contact
    at: int
    lines: tuple[Line, ...]
    totals: Totals
    bank: str
    status: str


class Transfer(NamedTuple):
    """Money moved between two of the company's accounts."""

    number: int
    source: str
    target: str
    at: int
    amount: int
    status: str


class ManualJournal(NamedTuple):
    """Postings by hand: (account, cents) that sum to zero."""

    number: int
    at: int
    narration: str
    postings: tuple[tuple[str, int], ...]
    status: str


def midnight(ms: int) -> int:
    """Give the start of the UTC day of an instant."""
    return ms - ms % DAY


def base_cents(cents: int, rate: int) -> int:
    """Convert cents of a currency into the base currency, by a rate in millionths."""
    return (2 * cents * 1_000_000 + rate) // (2 * rate)


def line_total(quantity: int, price: int, discount: int) -> int:
    """Give the cents of a line, rounded half up."""
    return (quantity * price * (100 - discount) + 50_000_000) // 100_000_000


def tax_of(amount: int, tax_type: str, mode: str) -> int:
    """Give the cents of tax on a line amount, half up: on top, within, or none."""
    percent = TAX_RATES[tax_type][2]
    if mode == "NoTax" or not percent:
        return 0
    whole = 100 + percent if mode == "Inclusive" else 100
    return (2 * amount * percent + whole) // (2 * whole)


def sum_lines(lines: tuple[Line, ...], mode: str) -> Totals:
    """Sum lines as Xero does: a subtotal without tax, the tax, and the total."""
    amount = sum(line.amount for line in lines)
    tax = sum(line.tax for line in lines)
    subtotal = amount - tax if mode == "Inclusive" else amount
    return Totals(subtotal, tax, subtotal + tax)


def draw_lines(  # noqa: PLR0913
    company: Company, dice: Random, contact: Contact, *, sale: bool, mode: str, count: int
) -> tuple[Line, ...]:
    """Think of lines that a sale to, or a purchase from, a contact could have."""
    return tuple(_draw_line(company, dice, contact, sale, mode) for _ in range(count))


def _draw_line(company: Company, dice: Random, contact: Contact, sale: bool, mode: str) -> Line:  # noqa: FBT001
    draw = dice.random
    goods = draw() < (0.85 if sale else 0.4)
    discount = 10 if sale and draw() < 0.12 else 0
    quantity = 10_000 * (1 + int(draw() ** 3 * 12)) + (2_500 if draw() < 0.05 else 0)
    if goods:
        item = company.items[int(draw() * len(company.items))]
        price = item.sale if sale else item.cost
        description = item.name
        account = ("210" if "Service" in item.name else "200") if sale else "310"
    else:
        item = None
        price = 10_000 + int(draw() * 9_000_000)
        known = _SERVICES if sale else _EXPENSES
        account, description = known[int(draw() * len(known))]
    if contact.currency != "NZD":
        tax_type = "ZERORATED" if sale else "NONE"
    else:
        tax_type = "OUTPUT2" if sale else "INPUT2"
    if mode == "NoTax":
        tax_type = "NONE"
    region, department = int(draw() * 7), int(draw() * 7)
    # Region 4 is archived: older lines, and those that somebody copied, still bear it.
    tracking = ((region,) if region < 5 else ()) + ((5 + department,) if department < 3 else ())
    amount = line_total(quantity, price, discount)
    tax = tax_of(amount, tax_type, mode)
    return Line(
        description, item, quantity, price, discount, account, tax_type, amount, tax, tracking
    )


def drift(dice: Random, currency: str) -> int:
    """Give a day's rate of a currency, in millionths."""
    rate = RATES[currency]
    return rate if currency == "NZD" else rate * dice.randrange(9_700, 10_300) // 10_000


def invoice_moment(company: Company, number: int) -> int:
    """Give the instant at which an invoice was made."""
    return company.moment("Invoices", number, company.size)


def batch_moment(company: Company, batch: int) -> int:
    """Give the instant at which a batch was paid; it may lie in the future, then it is not paid."""
    return invoice_moment(company, batch * 100 + BATCH_MEMBERS[-1]) + 10 * DAY


def batch_of(company: Company, number: int) -> int | None:
    """Give the batch that pays an invoice, if one does."""
    batch, member = divmod(number, 100)
    if member not in BATCH_MEMBERS or batch * 100 + BATCH_MEMBERS[-1] >= company.size:
        return None
    return batch if batch_moment(company, batch) < company.now - 60_000 else None


def plan_invoice(company: Company, number: int) -> Invoice:
    """Plan an invoice (65 of 100) or a bill, with what has been paid of it."""
    dice = company.dice("Invoices", number)
    draw = dice.random
    batch = batch_of(company, number)
    generated = number < company.size
    matched = generated and (number % 20 == 7 or number % 50 in (13, 29))
    sale = draw() < 0.65 and batch is None and number % 30 != 11
    parties = company.customers if sale else company.suppliers
    contact = parties[int(draw() * len(parties))]
    created = invoice_moment(company, number)
    mode = "Exclusive" if draw() < 0.8 else "Inclusive" if draw() < 0.6 else "NoTax"
    lines = draw_lines(
        company,
        dice,
        contact,
        sale=sale,
        mode=mode,
        count=company.lines or (3, 4, 5, 5, 5, 6, 7)[int(draw() * 7)],
    )
    totals = sum_lines(lines, mode)
    rate = drift(dice, contact.currency)
    status = _first_status(company, draw(), created, forced=matched or batch is not None)
    credited = min(credit_totals(number, totals).total, totals.total) if matched else 0
    payments: tuple[Settlement, ...] = ()
    if status == "AUTHORISED":
        payments = _plan_payments(company, dice, number, created, totals.total - credited, contact)
        paid = sum(each.amount for each in payments if each.status == "AUTHORISED")
        status = "PAID" if paid + credited == totals.total else "AUTHORISED"
    day = midnight(created)
    stamp = created + (int(draw() * DAY) if draw() < 0.1 else 0)
    if credited:
        stamp = max(stamp, credit_moment(company, created))
    if payments:
        stamp = max(stamp, payments[-1].at)
    return Invoice(
        number=number,
        sale=sale,
        contact=contact,
        created=created,
        day=day,
        due=day + (14 if draw() < 0.5 else 30) * DAY,
        mode=mode,
        rate=rate,
        lines=lines,
        totals=totals,
        status=status,
        payments=payments,
        credited=credited,
        stamp=min(stamp, company.now - 1),
    )


def _first_status(company: Company, chance: float, created: int, *, forced: bool) -> str:
    if forced:
        return "AUTHORISED"
    if chance < 0.02:
        return "VOIDED"
    if chance < 0.03:
        return "DELETED"
    if created > company.now - 45 * DAY and chance < 0.25:
        return "DRAFT" if chance < 0.15 else "SUBMITTED"
    return "AUTHORISED"


def _plan_payments(  # noqa: PLR0913, PLR0917
    company: Company, dice: Random, number: int, created: int, amount: int, contact: Contact
) -> tuple[Settlement, ...]:
    """Pay an invoice in one or two parts, or in part, or not yet; at times a payment was undone."""
    batch = batch_of(company, number)
    latest = company.now - 60_000
    if batch is not None:
        rate = drift(dice, contact.currency)
        return (Settlement(batch_moment(company, batch), amount, rate, BANK, "AUTHORISED", batch),)
    chance = dice.random()
    first = created + int((3 + dice.random() * 40) * DAY)
    if chance > 0.92 or first > latest or amount <= 0:
        return ()
    bank = CARD if dice.random() < 0.1 else BANK
    rate = drift(dice, contact.currency)
    undone = Settlement(first - DAY // 2, amount, rate, bank, "DELETED", None)
    before = (undone,) if number % 67 == 66 else ()
    if chance < 0.78:
        return (*before, Settlement(first, amount, rate, bank, "AUTHORISED", None))
    half = amount // 2
    part = Settlement(first, half, rate, bank, "AUTHORISED", None)
    second = first + int(dice.random() * 20 * DAY)
    if not half or chance > 0.88 or second > latest:
        return (*before, part)
    rest = Settlement(second, amount - half, rate, bank, "AUTHORISED", None)
    return (*before, part, rest)


def credit_moment(company: Company, created: int) -> int:
    """Give the instant at which an invoice was credited."""
    return min(created + 2 * DAY, company.now - 30_000)


def credit_totals(number: int, totals: Totals) -> Totals:
    """Say how much of an invoice its credit note (with tax), prepayment or overpayment covers."""
    share = 100 if number % 60 == 7 else 40
    if number % 20 == 7:
        subtotal = totals.subtotal * share // 100
        tax = totals.tax * share // 100
        return Totals(subtotal, tax, subtotal + tax)
    amount = totals.total * 30 // 100
    return Totals(amount, 0, amount)


def paired_invoice(company: Company, kind: str, number: int) -> Invoice | None:
    """Give the invoice against which a credit was used, if any."""
    step, offset = {"CreditNotes": (20, 7), "Prepayments": (50, 13), "Overpayments": (50, 29)}[kind]
    partner = number * step + offset
    return plan_invoice(company, partner) if partner < company.size else None


def count_credits(company: Company, kind: str) -> int:
    """Count the credits of a kind: one for each that an invoice has, and two still unused."""
    step, offset = {"CreditNotes": (20, 7), "Prepayments": (50, 13), "Overpayments": (50, 29)}[kind]
    return len(range(offset, company.size, step)) + 2


def plan_credit(company: Company, kind: str, number: int) -> Credit:
    """Plan a credit note, prepayment or overpayment."""
    invoice = paired_invoice(company, kind, number)
    account = ("200", "310") if kind == "CreditNotes" else ("610", "800")
    if invoice is not None:
        totals = credit_totals(invoice.number, invoice.totals)
        tax_type = ("OUTPUT2" if invoice.sale else "INPUT2") if totals.tax else "NONE"
        at = credit_moment(company, invoice.created)
        return Credit(
            number=number,
            invoice=invoice,
            sale=invoice.sale,
            contact=invoice.contact,
            at=at,
            rate=invoice.rate,
            totals=totals,
            tax_type=tax_type,
            account=account[0 if invoice.sale else 1],
        )
    dice = company.dice(kind, number)
    amount = dice.randrange(2_000, 90_000)
    sale = number % 2 == 0
    parties = [c for c in (company.customers if sale else company.suppliers) if c.currency == "NZD"]
    return Credit(
        number=number,
        invoice=None,
        sale=sale,
        contact=dice.choice(parties),
        at=company.now - dice.randrange(DAY, 60 * DAY),
        rate=1_000_000,
        totals=Totals(amount, 0, amount),
        tax_type="NONE",
        account=account[0 if sale else 1],
    )


def refund_of(credit: Credit) -> Settlement | None:
    """Give the refund of a credit note that was never used: half of it, half a day later."""
    if credit.invoice is not None:
        return None
    amount = credit.totals.total // 2
    return Settlement(credit.at + DAY // 2, amount, 1_000_000, BANK, "AUTHORISED", None)


def plan_cash_entry(company: Company, number: int) -> CashEntry:
    """Plan money spent (70 of 100) or received at the bank."""
    dice = company.dice("BankTransactions", number)
    spent = dice.random() < 0.7
    parties = company.suppliers if spent else company.customers
    local = [contact for contact in parties[:60] if contact.currency == "NZD"]
    contact = dice.choice(local)
    lines = draw_lines(
        company, dice, contact, sale=not spent, mode="Inclusive", count=dice.choice((1, 1, 2, 3))
    )
    return CashEntry(
        number=number,
        spent=spent,
        contact=contact,
        at=company.moment("BankTransactions", number, company.size // 4 + 5),
        lines=lines,
        totals=sum_lines(lines, "Inclusive"),
        bank=CARD if dice.random() < 0.2 else BANK,
        status="DELETED" if number % 31 == 30 else "AUTHORISED",
    )


def plan_transfer(company: Company, number: int) -> Transfer:
    """Plan a transfer between two accounts."""
    dice = company.dice("BankTransfers", number)
    source, target = dice.choice(((BANK, SAVINGS), (SAVINGS, BANK), (BANK, CARD)))
    return Transfer(
        number=number,
        source=source,
        target=target,
        at=company.moment("BankTransfers", number, company.size // 60 + 4),
        amount=dice.randrange(10_000, 900_000),
        status="DELETED" if number % 4 == 3 else "AUTHORISED",
    )


def plan_manual_journal(company: Company, number: int) -> ManualJournal:
    """Plan a posting by hand."""
    dice = company.dice("ManualJournals", number)
    amount, part = dice.randrange(5_000, 400_000), dice.randrange(100, 4_000)
    narration, postings = dice.choice(
        (
            ("Depreciation of the month", (("416", amount), ("711", -amount))),
            ("Wages", (("477", amount), ("825", -part), ("970", part - amount))),
            ("Owner's cash for stock, wasn't banked", (("630", amount), ("970", -amount))),
            ("Interest on loan", (("429", amount), ("900", -amount))),
        )
    )
    chance = dice.random()
    return ManualJournal(
        number=number,
        at=company.moment("ManualJournals", number, company.size // 40 + 4),
        narration=narration,
        postings=postings,
        status="DRAFT" if chance < 0.1 else "VOIDED" if chance < 0.15 else "POSTED",
    )
