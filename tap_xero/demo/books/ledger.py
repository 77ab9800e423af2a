"""The journals behind the documents, in the base currency, each summing to zero.

A sale posts debtors against income and GST, a payment posts the bank against debtors and, where the
currency's rate has moved, the gain or loss; undone documents post the same once more with the
signs turned.  Allocating a credit posts nothing, since both sides stand on the same account.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tap_xero.demo.books.company import (
    ACCOUNTS,
    BANK,
    CLAIMS,
    CREDITORS,
    CURRENCY_GAINS,
    DEBTORS,
    GST,
    TAX_RATES,
    Company,
)
from tap_xero.demo.books.documents import (
    count_refunds,
    expense_claim_document,
    money,
    payment_id,
    payment_stamp,
    refund_id,
)
from tap_xero.demo.books.plans import (
    Invoice,
    Line,
    Settlement,
    base_cents,
    count_credits,
    midnight,
    plan_cash_entry,
    plan_credit,
    plan_invoice,
    plan_manual_journal,
    plan_transfer,
    refund_of,
)
from tap_xero.demo.xero_json import EPOCH, Document, instant, read_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Posting(NamedTuple):
    """One line of a journal, in cents of the base currency; a debit is positive."""

    account: str
    net: int
    tax: int = 0
    tax_type: str = ""
    text: str = ""
    tracking: tuple[int, ...] = ()


class Entry(NamedTuple):
    """A journal before it has a number."""

    day: int
    reference: str
    source_id: str
    source_type: str
    postings: tuple[Posting, ...]


class Source(NamedTuple):
    """Where a journal comes from; sorted, the sources are the journals in their order."""

    created: int
    kind: str
    number: int
    part: int
    reversal: bool


def balanced(account: str, others: list[Posting]) -> tuple[Posting, ...]:
    """Put the account that takes the other side in front."""
    return (Posting(account, -sum(each.net for each in others)), *others)


def line_postings(lines: Iterable[Line], mode: str, rate: int, sign: int) -> list[Posting]:
    """Post lines and their tax; `sign` is -1 for what comes in and 1 for what goes out."""
    postings, taxes = [], 0
    for line in lines:
        net = line.amount - (line.tax if mode == "Inclusive" else 0)
        base, tax = base_cents(net, rate), base_cents(line.tax, rate)
        taxes += tax
        postings.append(
            Posting(
                line.account,
                sign * base,
                sign * tax,
                line.tax_type,
                line.description,
                line.tracking,
            )
        )
    if taxes:
        postings.append(Posting(GST, sign * taxes))
    return postings


def invoice_entry(company: Company, plan: Invoice) -> Entry:
    """Post an invoice or bill."""
    sign = -1 if plan.sale else 1
    return Entry(
        plan.day,
        f"Order {plan.number * 7 + 11}" if plan.sale else "",
        company.uid("Invoices", plan.number),
        "ACCREC" if plan.sale else "ACCPAY",
        balanced(
            DEBTORS if plan.sale else CREDITORS,
            line_postings(plan.lines, plan.mode, plan.rate, sign),
        ),
    )


def payment_entry(company: Company, plan: Invoice, at: int) -> Entry:
    """Post a payment; the last one clears what is left, to the cent."""
    paid = plan.payments[at]
    sign = 1 if plan.sale else -1
    bank = base_cents(paid.amount, paid.rate)
    cleared = _cleared(company, plan, at)
    postings = [Posting(DEBTORS if plan.sale else CREDITORS, -sign * cleared)]
    if bank != cleared:
        postings.append(Posting(CURRENCY_GAINS, sign * (cleared - bank)))
    return Entry(
        midnight(paid.at),
        "",
        payment_id(company, plan.number, at),
        "ACCRECPAYMENT" if plan.sale else "ACCPAYPAYMENT",
        (Posting(paid.bank, sign * bank), *postings),
    )


def _cleared(company: Company, plan: Invoice, at: int) -> int:
    share = base_cents(plan.payments[at].amount, plan.rate)
    if plan.status != "PAID" or at != len(plan.payments) - 1:
        return share
    whole = abs(invoice_entry(company, plan).postings[0].net)
    earlier = sum(
        base_cents(each.amount, plan.rate)
        for each in plan.payments[:-1]
        if each.status == "AUTHORISED"
    )
    return whole - earlier - base_cents(plan.credited, plan.rate)


def credit_entry(company: Company, kind: str, number: int) -> Entry:
    """Post a credit note, prepayment or overpayment."""
    credit = plan_credit(company, kind, number)
    sign = 1 if credit.sale else -1
    total = base_cents(credit.totals.total, credit.rate)
    party = Posting(DEBTORS if credit.sale else CREDITORS, -sign * total)
    uid = company.uid(kind, number)
    if kind != "CreditNotes":
        name = ("AR" if credit.sale else "AP") + kind[:-1].upper()
        postings: tuple[Posting, ...] = (Posting(BANK, sign * total), party)
        return Entry(midnight(credit.at), f"Ref {number}", uid, name, postings)
    tax = base_cents(credit.totals.tax, credit.rate)
    goods = Posting(credit.account, sign * (total - tax), sign * tax, credit.tax_type)
    postings = (party, goods, *((Posting(GST, sign * tax),) if tax else ()))
    name = "ACCRECCREDIT" if credit.sale else "ACCPAYCREDIT"
    return Entry(midnight(credit.at), f"Ref {number}", uid, name, postings)


def refund_entry(company: Company, number: int) -> Entry:
    """Post the refund of a credit note."""
    credit = plan_credit(company, "CreditNotes", number)
    refund = refund_of(credit)
    if refund is None:
        raise ValueError("a credit note that was used has no refund")
    sign = -1 if credit.sale else 1
    party = Posting(DEBTORS if credit.sale else CREDITORS, -sign * refund.amount)
    name = "ARCREDITPAYMENT" if credit.sale else "APCREDITPAYMENT"
    postings = (Posting(refund.bank, sign * refund.amount), party)
    return Entry(midnight(refund.at), "", refund_id(company, number), name, postings)


def cash_entry(company: Company, number: int) -> Entry:
    """Post money spent or received."""
    plan = plan_cash_entry(company, number)
    postings = line_postings(plan.lines, "Inclusive", 1_000_000, 1 if plan.spent else -1)
    name = "CASHPAID" if plan.spent else "CASHREC"
    uid = company.uid("BankTransactions", number)
    return Entry(midnight(plan.at), f"Card {number % 89}", uid, name, balanced(plan.bank, postings))


def transfer_entry(company: Company, number: int) -> Entry:
    """Post a bank transfer."""
    plan = plan_transfer(company, number)
    postings = (Posting(plan.source, -plan.amount), Posting(plan.target, plan.amount))
    uid = company.uid("BankTransfers", number)
    return Entry(midnight(plan.at), f"Sub {98_801 + number}", uid, "TRANSFER", postings)


def manual_entry(company: Company, number: int) -> Entry:
    """Post a manual journal."""
    plan = plan_manual_journal(company, number)
    postings = tuple(
        Posting(code, amount, 0, "NONE", plan.narration) for code, amount in plan.postings
    )
    uid = company.uid("ManualJournals", number)
    return Entry(midnight(plan.at), plan.narration, uid, "MANJOURNAL", postings)


def claim_entry(company: Company, number: int) -> Entry:
    """Post an expense claim."""
    claim = expense_claim_document(company, number)
    postings = []
    for line in (line for receipt in claim["Receipts"] for line in receipt["LineItems"]):
        tax = int(line["TaxAmount"] * 100)
        net = int(line["LineAmount"] * 100) - tax
        postings.append(
            Posting(line["AccountCode"], net, tax, line["TaxType"], line["Description"])
        )
        postings.append(Posting(GST, tax))
    day = read_instant(claim["ReportingDate"]) or 0
    return Entry(
        day,
        "",
        claim["ExpenseClaimID"],
        "EXPCLAIM",
        balanced(CLAIMS, [p for p in postings if p.net]),
    )


def sources_of_invoice(plan: Invoice) -> Iterator[Source]:
    """Say which journals an invoice and its payments have posted."""
    number = plan.number
    if plan.status in {"AUTHORISED", "PAID", "VOIDED"}:
        yield Source(plan.created, "Invoices", number, 0, reversal=False)
    if plan.status == "VOIDED":
        yield Source(plan.stamp, "Invoices", number, 0, reversal=True)
    for at, paid in enumerate(plan.payments):
        yield from _sources_of_payment(number, at, paid)


def _sources_of_payment(number: int, at: int, paid: Settlement) -> Iterator[Source]:
    yield Source(paid.at, "Payments", number, at, reversal=False)
    if paid.status == "DELETED":
        yield Source(payment_stamp(paid), "Payments", number, at, reversal=True)


def other_sources(  # noqa: C901 - one short loop for each kind of document
    company: Company, *, cash: int, transfers: int, manual: int, claims: int
) -> Iterator[Source]:
    """Say which journals everything else has posted, given how many there are of each."""
    for kind in ("CreditNotes", "Prepayments", "Overpayments"):
        for number in range(count_credits(company, kind)):
            yield Source(plan_credit(company, kind, number).at, kind, number, 0, reversal=False)
    for number in count_refunds(company):
        refund = refund_of(plan_credit(company, "CreditNotes", number))
        if refund:
            yield Source(refund.at, "Refunds", number, 0, reversal=False)
    for number in range(cash):
        entry = plan_cash_entry(company, number)
        yield Source(entry.at, "Cash", number, 0, reversal=False)
        if entry.status == "DELETED":
            yield Source(entry.at, "Cash", number, 0, reversal=True)
    for number in range(transfers):
        transfer = plan_transfer(company, number)
        yield Source(transfer.at, "Transfers", number, 0, reversal=False)
        if transfer.status == "DELETED":
            yield Source(transfer.at, "Transfers", number, 0, reversal=True)
    for number in range(manual):
        journal = plan_manual_journal(company, number)
        if journal.status != "DRAFT":
            yield Source(journal.at, "ManualJournals", number, 0, reversal=False)
        if journal.status == "VOIDED":
            yield Source(journal.at, "ManualJournals", number, 0, reversal=True)
    for number in range(claims):
        at = read_instant(expense_claim_document(company, number)["UpdatedDateUTC"]) or 0
        yield Source(at, "ExpenseClaims", number, 0, reversal=False)


def entry_of(company: Company, source: Source) -> Entry:
    """Make the journal of a source."""
    number = source.number
    if source.kind == "Invoices":
        entry = invoice_entry(company, plan_invoice(company, number))
    elif source.kind == "Payments":
        entry = payment_entry(company, plan_invoice(company, number), source.part)
    elif source.kind in {"CreditNotes", "Prepayments", "Overpayments"}:
        entry = credit_entry(company, source.kind, number)
    else:
        entry = _OTHER_ENTRIES[source.kind](company, number)
    if not source.reversal:
        return entry
    turned = (each._replace(net=-each.net, tax=-each.tax) for each in entry.postings)
    return entry._replace(postings=tuple(turned))


_OTHER_ENTRIES = {
    "Refunds": refund_entry,
    "Cash": cash_entry,
    "Transfers": transfer_entry,
    "ManualJournals": manual_entry,
    "ExpenseClaims": claim_entry,
}


def cash_basis_entry(company: Company, source: Source) -> Entry | None:
    """Make the journal of a source on the cash basis, where there is one.

    What is sold or bought counts when it is paid: a payment posts its share of the document's lines
    in place of debtors or creditors, and the document itself posts nothing.
    """
    if source.kind in {"Invoices", "CreditNotes", "ExpenseClaims"}:
        return None
    entry = entry_of(company, source)
    if source.kind == "Payments":
        lines = invoice_entry(company, plan_invoice(company, source.number)).postings[1:]
    elif source.kind == "Refunds":
        lines = credit_entry(company, "CreditNotes", source.number).postings[1:]
    else:
        return entry
    bank = entry.postings[0]
    return entry._replace(postings=(bank, *_shares(lines, -bank.net)))


def _shares(lines: tuple[Posting, ...], amount: int) -> list[Posting]:
    """Scale postings so that they come to `amount`; the last takes what rounding leaves."""
    whole = sum(line.net for line in lines)
    shares = [
        line._replace(net=line.net * amount // whole, tax=line.tax * amount // whole)
        for line in lines
    ]
    rest = amount - sum(share.net for share in shares)
    shares[-1] = shares[-1]._replace(net=shares[-1].net + rest)
    return shares


def journal_id(company: Company, source: Source) -> str:
    """Give the id of the journal of a source."""
    return company.uid("Journals", source[1:])


def journal_document(company: Company, source: Source, number: int) -> Document:
    """Write a journal."""
    return _write_journal(company, source, number, entry_of(company, source))


def cash_journal_document(company: Company, source: Source, number: int) -> Document:
    """Write a journal on the cash basis, of a source that has one."""
    entry = cash_basis_entry(company, source)
    if entry is None:
        raise ValueError(f"{source.kind} posts nothing on the cash basis")
    return _write_journal(company, source, number, entry)


def _write_journal(company: Company, source: Source, number: int, entry: Entry) -> Document:
    uid = journal_id(company, source)
    document: Document = {
        "JournalID": uid,
        "JournalDate": instant(entry.day),
        "JournalNumber": number,
        "CreatedDateUTC": instant(source.created),
        "Reference": entry.reference,
        "SourceID": entry.source_id,
        "SourceType": entry.source_type,
        "JournalLines": [
            _journal_line(company, uid, at, posting) for at, posting in enumerate(entry.postings)
        ],
    }
    if not entry.reference:
        del document["Reference"]
    return document


def _journal_line(company: Company, uid: str, at: int, posting: Posting) -> Document:
    account = ACCOUNTS[posting.account]
    line: Document = {
        "JournalLineID": company.uid("JournalLines", f"{uid}/{at}"),
        "AccountID": company.account_ids[posting.account],
        "AccountCode": posting.account,
        "AccountType": account.type,
        "AccountName": account.name,
        "Description": posting.text,
        "NetAmount": money(posting.net),
        "GrossAmount": money(posting.net + posting.tax),
        "TaxAmount": money(posting.tax),
    }
    if posting.tax_type:
        line["TaxType"] = posting.tax_type
        line["TaxName"] = TAX_RATES[posting.tax_type][0]
    line["TrackingCategories"] = [company.tracking[option] for option in posting.tracking]
    return line


def totals_by_month(journals: Iterable[Document]) -> dict[tuple[str, str], Decimal]:
    """Sum NetAmount by account code and month of JournalDate, e.g. ("200", "2025-03")."""
    totals: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for journal in journals:
        ms = read_instant(journal["JournalDate"]) or 0
        month = (EPOCH.fromtimestamp(ms / 1000, tz=EPOCH.tzinfo)).strftime("%Y-%m")
        for line in journal["JournalLines"]:
            totals[line["AccountCode"], month] += line["NetAmount"]
    return dict(totals)
