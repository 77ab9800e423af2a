"""Trade documents written down as Xero's rows: plans turned into the fields of each list."""

from __future__ import annotations

from decimal import Decimal

from tap_xero.demo.books.company import ACCOUNTS, DAY, PEOPLE, Company, Contact
from tap_xero.demo.books.plans import (
    CashEntry,
    Credit,
    Invoice,
    Line,
    Settlement,
    Totals,
    Transfer,
    base_cents,
    count_credits,
    draw_lines,
    midnight,
    plan_cash_entry,
    plan_credit,
    plan_invoice,
    plan_manual_journal,
    plan_transfer,
    refund_of,
    sum_lines,
)
from tap_xero.demo.xero_json import Document, date_text, instant, stamp_text


def money(cents: int) -> Decimal:
    """Write cents as Xero does: 4600 is 46.00."""
    return Decimal(cents).scaleb(-2)


def quantity(ten_thousandths: int) -> Decimal:
    """Write a quantity or unit price with its four decimals."""
    return Decimal(ten_thousandths).scaleb(-4)


def rate_of(millionths: int) -> Decimal:
    """Write a currency rate with its six decimals."""
    return Decimal(millionths).scaleb(-6)


def account_brief(company: Company, code: str) -> Document:
    """Name an account the way documents do."""
    return {"AccountID": company.account_ids[code], "Code": code, "Name": ACCOUNTS[code].name}


def contact_brief(company: Company, contact: Contact) -> Document:
    """Name a contact the way documents do."""
    return {
        "ContactID": company.uid("Contacts", contact.number),
        "Name": contact.name,
        "Addresses": [],
        "Phones": [],
        "ContactGroups": [],
        "ContactPersons": [],
        "HasValidationErrors": False,
    }


def line_items(company: Company, owner: str, lines: tuple[Line, ...]) -> list[Document]:
    """Write the lines of a document; `owner` makes their ids its own."""
    return [_line_item(company, f"{owner}/{at}", line) for at, line in enumerate(lines)]


def _line_item(company: Company, name: str, line: Line) -> Document:
    written: Document = {}
    if line.item:
        written["ItemCode"] = line.item.code
    written["Description"] = line.description
    written["UnitAmount"] = quantity(line.price)
    written["TaxType"] = line.tax_type
    written["TaxAmount"] = money(line.tax)
    written["LineAmount"] = money(line.amount)
    written["AccountCode"] = line.account
    if line.item:
        written["Item"] = company.item_briefs[line.item.number]
    written["Tracking"] = [company.tracking[option] for option in line.tracking]
    written["Quantity"] = quantity(line.quantity)
    if line.discount:
        written["DiscountRate"] = money(line.discount * 100)
    written["LineItemID"] = company.uid("LineItems", name)
    written["AccountID"] = company.account_ids[line.account]
    return written


def _totals(totals: Totals) -> Document:
    return {
        "SubTotal": money(totals.subtotal),
        "TotalTax": money(totals.tax),
        "Total": money(totals.total),
    }


def _dates(ms: int, **more: int) -> Document:
    written: Document = {}
    for name, at in {"Date": ms, **more}.items():
        written[f"{name}String"] = date_text(at)
        written[name] = instant(midnight(at))
    return written


def _stamps(ms: int) -> Document:
    return {"UpdatedDateUTC": instant(ms), "UpdatedDateUTCString": stamp_text(ms)}


# Invoices and what settles them


def invoice_document(company: Company, number: int) -> Document:
    """Write an invoice or bill, as a paged read gives it."""
    plan = plan_invoice(company, number)
    return _write_invoice(company, plan)


def _write_invoice(company: Company, plan: Invoice) -> Document:
    paid = sum(each.amount for each in plan.payments if each.status == "AUTHORISED")
    dead = plan.status in {"VOIDED", "DELETED"}
    discount = sum(line.quantity * line.price * line.discount // 100_000_000 for line in plan.lines)
    document: Document = {
        "Type": "ACCREC" if plan.sale else "ACCPAY",
        "InvoiceID": company.uid("Invoices", plan.number),
        "InvoiceNumber": invoice_number(plan),
        "Reference": f"Order {plan.number * 7 + 11}" if plan.sale else "",
        "Payments": [
            _payment_brief(company, plan.number, at, each)
            for at, each in enumerate(plan.payments)
            if each.status == "AUTHORISED"
        ],
        "CreditNotes": _credit_brief(company, plan, "CreditNotes", 20, 7),
        "Prepayments": _credit_brief(company, plan, "Prepayments", 50, 13),
        "Overpayments": _credit_brief(company, plan, "Overpayments", 50, 29),
        "AmountDue": money(0 if dead else plan.totals.total - paid - plan.credited),
        "AmountPaid": money(paid),
        "AmountCredited": money(plan.credited),
        "SentToContact": plan.sale and plan.status != "DRAFT",
        "CurrencyRate": rate_of(plan.rate),
        "HasErrors": False,
        "IsDiscounted": discount > 0,
    }
    if discount:
        document["TotalDiscount"] = money(discount)
    document |= {
        "HasAttachments": plan.number % 11 == 0,
        "InvoiceAddresses": [],
        "Contact": contact_brief(company, plan.contact),
        **_dates(plan.day, DueDate=plan.due),
        "BrandingThemeID": company.themes[plan.number % 2],
        "Status": plan.status,
        "LineAmountTypes": plan.mode,
        "LineItems": line_items(company, f"Invoices/{plan.number}", plan.lines),
        **_totals(plan.totals),
        **_stamps(plan.stamp),
        "CurrencyCode": plan.contact.currency,
    }
    if plan.sale and plan.number % 10 == 0:
        document["RepeatingInvoiceID"] = company.uid("RepeatingInvoices", 0)
        document["Url"] = f"https://shop.harbourstreet.example/orders/{plan.number}?paid=yes"
    if plan.status == "AUTHORISED" and plan.number % 2:
        name = "ExpectedPaymentDate" if plan.sale else "PlannedPaymentDate"
        document[f"{name}String"] = date_text(plan.due)
        document[name] = instant(plan.due)
    if plan.status == "PAID":
        last = plan.payments[-1].at if plan.payments else plan.stamp
        document["FullyPaidOnDate"] = instant(midnight(last))
    return document


def invoice_number(plan: Invoice) -> str:
    """Give the number on an invoice; bills carry the supplier's own."""
    return f"INV-{plan.number + 1:04d}" if plan.sale else f"{plan.contact.last[:3]}/{plan.number}"


def _payment_brief(company: Company, number: int, at: int, paid: Settlement) -> Document:
    return {
        "PaymentID": payment_id(company, number, at),
        "Date": instant(midnight(paid.at)),
        "Amount": money(paid.amount),
        "CurrencyRate": rate_of(paid.rate),
        "HasAccount": False,
        "HasValidationErrors": False,
    }


def payment_id(company: Company, number: int, at: int) -> str:
    """Give the id of the `at`-th payment of an invoice."""
    return company.uid("Payments", f"{number}/{at}")


def _credit_brief(
    company: Company, plan: Invoice, kind: str, step: int, offset: int
) -> list[Document]:
    if not plan.credited or plan.number % step != offset:
        return []
    number = plan.number // step
    singular = kind[:-1]
    brief: Document = {
        f"{singular}ID": company.uid(kind, number),
        "ID": company.uid(kind, number),
        "AppliedAmount": money(plan.credited),
        "DateString": date_text(plan.stamp),
        "Date": instant(midnight(plan.stamp)),
        "LineItems": [],
        "Total": money(plan.credited),
    }
    if kind == "CreditNotes":
        brief |= {"CreditNoteNumber": f"CN-{number + 1:04d}", "HasErrors": False}
    return [brief]


def payment_document(company: Company, number: int, at: int) -> Document:
    """Write the `at`-th payment of an invoice."""
    plan = plan_invoice(company, number)
    paid = plan.payments[at]
    document: Document = {
        "PaymentID": payment_id(company, number, at),
        "Date": instant(midnight(paid.at)),
        "BankAmount": money(base_cents(paid.amount, paid.rate)),
        "Amount": money(paid.amount),
        "Reference": f"Statement {number % 97}" if at == 0 else "",
        "CurrencyRate": rate_of(paid.rate),
        "PaymentType": "ACCRECPAYMENT" if plan.sale else "ACCPAYPAYMENT",
        "Status": paid.status,
        **_stamps(payment_stamp(paid)),
        "HasAccount": True,
        "IsReconciled": number % 3 != 0,
        "Account": _bank_account(company, paid.bank),
        "Invoice": _invoice_brief(company, plan),
        "InvoiceNumber": invoice_number(plan),
        "HasValidationErrors": False,
    }
    if paid.batch is not None:
        document["BatchPaymentID"] = company.uid("BatchPayments", paid.batch)
        document["BatchPayment"] = _batch_brief(company, paid.batch)
    return document


def payment_stamp(paid: Settlement) -> int:
    """Give the last change of a payment; one that was undone changed six hours later."""
    return paid.at if paid.status == "AUTHORISED" else paid.at + DAY // 4


def _bank_account(company: Company, code: str) -> Document:
    return {"AccountID": company.account_ids[code], "Code": code}


def _invoice_brief(company: Company, plan: Invoice) -> Document:
    return {
        "Type": "ACCREC" if plan.sale else "ACCPAY",
        "InvoiceID": company.uid("Invoices", plan.number),
        "InvoiceNumber": invoice_number(plan),
        "Payments": [],
        "CreditNotes": [],
        "Prepayments": [],
        "Overpayments": [],
        "IsDiscounted": False,
        "HasErrors": False,
        "Contact": contact_brief(company, plan.contact),
        "LineItems": [],
        "CurrencyCode": plan.contact.currency,
    }


def batch_document(company: Company, batch: int) -> Document:
    """Write a batch payment."""
    members = [plan_invoice(company, batch * 100 + offset) for offset in (1, 3, 5)]
    total = sum(base_cents(plan.payments[0].amount, plan.payments[0].rate) for plan in members)
    at = members[0].payments[0].at
    return {
        "Account": {
            "AccountID": company.account_ids[members[0].payments[0].bank],
            "CurrencyCode": "NZD",
        },
        "Narrative": f"Supplier run {batch + 1}",
        "Reference": f"Run {batch + 1}",
        "Particulars": "Harbour St",
        "Code": f"R{batch + 1}",
        "Details": "Parts",
        "BatchPaymentID": company.uid("BatchPayments", batch),
        **_dates(at),
        "Payments": [
            {
                "Invoice": {
                    "InvoiceID": company.uid("Invoices", plan.number),
                    "CurrencyCode": plan.contact.currency,
                    "Payments": [],
                    "CreditNotes": [],
                    "Prepayments": [],
                    "Overpayments": [],
                    "HasErrors": False,
                    "IsDiscounted": False,
                    "LineItems": [],
                },
                "PaymentID": payment_id(company, plan.number, 0),
                "Amount": money(plan.payments[0].amount),
                "BankAmount": money(base_cents(plan.payments[0].amount, plan.payments[0].rate)),
            }
            for plan in members
        ],
        "Type": "PAYBATCH",
        "Status": "AUTHORISED",
        "TotalAmount": money(total),
        "UpdatedDateUTC": instant(at),
        "IsReconciled": batch % 2 == 0,
    }


def _batch_brief(company: Company, batch: int) -> Document:
    whole = batch_document(company, batch)
    names = ("Account", "BatchPaymentID", "Date", "Type", "Status", "TotalAmount", "UpdatedDateUTC")
    return {name: whole[name] for name in (*names, "IsReconciled")}


# Credits


def credit_document(company: Company, kind: str, number: int) -> Document:
    """Write a credit note, prepayment or overpayment."""
    credit = plan_credit(company, kind, number)
    uid = company.uid(kind, number)
    refund = refund_of(credit) if kind == "CreditNotes" else None
    remaining = 0 if credit.invoice else credit.totals.total - (refund.amount if refund else 0)
    document: Document = {
        f"{kind[:-1]}ID": uid,
        "ID": uid,
        "Type": _credit_type(kind, credit),
        "Reference": f"Ref {number}",
    }
    if kind == "CreditNotes":
        document["CreditNoteNumber"] = f"CN-{number + 1:04d}"
        document["SentToContact"] = False
        document["BrandingThemeID"] = company.themes[0]
        if not remaining:
            document["FullyPaidOnDate"] = instant(midnight(credit.at))
    if kind == "Prepayments":
        document["InvoiceNumber"] = invoice_number(credit.invoice) if credit.invoice else ""
    return document | {
        "Payments": [_refund_brief(company, number, refund)] if refund else [],
        "CurrencyRate": rate_of(credit.rate),
        "RemainingCredit": money(remaining),
        "AppliedAmount": money(credit.totals.total if credit.invoice else 0),
        "Allocations": [_allocation(company, kind, credit)] if credit.invoice else [],
        "HasAttachments": False,
        "Contact": contact_brief(company, credit.contact),
        **_dates(credit.at),
        "Status": "AUTHORISED" if remaining else "PAID",
        "LineAmountTypes": "Exclusive" if kind == "CreditNotes" else "NoTax",
        "LineItems": line_items(company, f"{kind}/{number}", _credit_lines(credit)),
        **_totals(credit.totals),
        **_stamps(refund.at if refund else credit.at),
        "CurrencyCode": credit.contact.currency,
    }


def _credit_type(kind: str, credit: Credit) -> str:
    if kind == "CreditNotes":
        return "ACCRECCREDIT" if credit.sale else "ACCPAYCREDIT"
    return ("RECEIVE-" if credit.sale else "SPEND-") + kind[:-1].upper()


def _credit_lines(credit: Credit) -> tuple[Line, ...]:
    amount, tax = credit.totals.subtotal, credit.totals.tax
    text = "Goods returned" if credit.account in {"200", "310"} else "Paid on account"
    price = amount * 100
    line = (text, None, 10_000, price, 0, credit.account, credit.tax_type, amount, tax, ())
    return (Line(*line),)


def _allocation(company: Company, kind: str, credit: Credit) -> Document:
    plan = credit.invoice
    if plan is None:
        raise ValueError("an unused credit has no allocation")
    return {
        "AllocationID": company.uid("Allocations", f"{kind}/{credit.number}"),
        "Amount": money(credit.totals.total),
        "Date": instant(midnight(credit.at)),
        "Invoice": {
            "InvoiceID": company.uid("Invoices", plan.number),
            "InvoiceNumber": invoice_number(plan),
            "Payments": [],
            "CreditNotes": [],
            "Prepayments": [],
            "Overpayments": [],
            "HasErrors": False,
            "IsDiscounted": False,
            "LineItems": [],
        },
        "IsDeleted": False,
    }


def refund_id(company: Company, number: int) -> str:
    """Give the id of the payment that refunds a credit note."""
    return company.uid("Payments", f"refund/{number}")


def _refund_brief(company: Company, number: int, refund: Settlement) -> Document:
    return {
        "PaymentID": refund_id(company, number),
        "Date": instant(midnight(refund.at)),
        "Amount": money(refund.amount),
        "CurrencyRate": rate_of(refund.rate),
        "HasAccount": False,
        "HasValidationErrors": False,
    }


def refund_document(company: Company, number: int) -> Document:
    """Write the payment that refunds an unused credit note."""
    credit = plan_credit(company, "CreditNotes", number)
    refund = refund_of(credit)
    if refund is None:
        raise ValueError("a credit note that was used has no refund")
    return {
        "PaymentID": refund_id(company, number),
        "Date": instant(midnight(refund.at)),
        "BankAmount": money(refund.amount),
        "Amount": money(refund.amount),
        "Reference": "Too much",
        "CurrencyRate": rate_of(refund.rate),
        "PaymentType": "ARCREDITPAYMENT" if credit.sale else "APCREDITPAYMENT",
        "Status": "AUTHORISED",
        **_stamps(refund.at),
        "HasAccount": True,
        "IsReconciled": False,
        "Account": _bank_account(company, refund.bank),
        "CreditNote": {
            "Type": _credit_type("CreditNotes", credit),
            "CreditNoteID": company.uid("CreditNotes", number),
            "CreditNoteNumber": f"CN-{number + 1:04d}",
            "ID": company.uid("CreditNotes", number),
            "HasErrors": False,
            "Contact": contact_brief(company, credit.contact),
            "LineItems": [],
        },
        "HasValidationErrors": False,
    }


# The bank


def cash_document(company: Company, number: int) -> Document:
    """Write money spent or received with no invoice."""
    plan = plan_cash_entry(company, number)
    return _bank_transaction(
        company, plan, uid=company.uid("BankTransactions", number), name=str(number)
    )


def _bank_transaction(company: Company, plan: CashEntry, *, uid: str, name: str) -> Document:
    return {
        "BankTransactionID": uid,
        "BankAccount": account_brief(company, plan.bank),
        "Type": "SPEND" if plan.spent else "RECEIVE",
        "Reference": f"Card {plan.number % 89}",
        "IsReconciled": plan.number % 4 != 0,
        "HasAttachments": plan.number % 13 == 0,
        "Contact": contact_brief(company, plan.contact),
        **_dates(plan.at),
        "Status": plan.status,
        "LineAmountTypes": "Inclusive",
        "LineItems": line_items(company, f"BankTransactions/{name}", plan.lines),
        **_totals(plan.totals),
        "UpdatedDateUTC": instant(plan.at),
        "CurrencyCode": "NZD",
    }


def deposit_document(company: Company, kind: str, number: int) -> Document:
    """Write the bank's side of a prepayment or overpayment."""
    credit = plan_credit(company, kind, number)
    return {
        "BankTransactionID": company.uid("BankTransactions", f"{kind}/{number}"),
        "BankAccount": account_brief(company, "090"),
        "Type": _credit_type(kind, credit),
        "Reference": f"Ref {number}",
        "IsReconciled": True,
        f"{kind[:-1]}ID": company.uid(kind, number),
        "CurrencyRate": rate_of(credit.rate),
        "HasAttachments": False,
        "Contact": contact_brief(company, credit.contact),
        **_dates(credit.at),
        "Status": "AUTHORISED",
        "LineAmountTypes": "NoTax",
        "LineItems": line_items(company, f"{kind}/{number}", _credit_lines(credit)),
        **_totals(credit.totals),
        "UpdatedDateUTC": instant(credit.at),
        "CurrencyCode": credit.contact.currency,
    }


def transfer_document(company: Company, number: int) -> Document:
    """Write a bank transfer."""
    plan = plan_transfer(company, number)
    north, south = company.tracking[0], company.tracking[1]
    return {
        "BankTransferID": company.uid("BankTransfers", number),
        "CreatedDateUTCString": stamp_text(plan.at)[:-1],
        "CreatedDateUTC": instant(plan.at),
        **_dates(plan.at),
        "Status": plan.status,
        "FromBankAccount": account_brief(company, plan.source),
        "ToBankAccount": account_brief(company, plan.target),
        "Amount": money(plan.amount),
        "CurrencyRate": rate_of(1_000_000),
        "FromBankTransactionID": company.uid("BankTransactions", f"from/{number}"),
        "ToBankTransactionID": company.uid("BankTransactions", f"to/{number}"),
        "FromIsReconciled": number % 2 == 0,
        "ToIsReconciled": number % 2 == 0,
        "Reference": f"Sub {98_801 + number}",
        "HasAttachments": False,
        "FromTracking": [north] if number % 2 else [],
        "ToTracking": [south] if number % 2 else [],
    }


def transfer_side_document(company: Company, side: str, number: int) -> Document:
    """Write one bank transaction of a transfer; `side` is `from` or `to`."""
    plan: Transfer = plan_transfer(company, number)
    return {
        "BankTransactionID": company.uid("BankTransactions", f"{side}/{number}"),
        "BankAccount": account_brief(company, plan.source if side == "from" else plan.target),
        "Type": "SPEND-TRANSFER" if side == "from" else "RECEIVE-TRANSFER",
        "Reference": f"Sub {98_801 + number}",
        "IsReconciled": number % 2 == 0,
        "HasAttachments": False,
        **_dates(plan.at),
        "Status": plan.status,
        "LineAmountTypes": "NoTax",
        "LineItems": [],
        **_totals(Totals(plan.amount, 0, plan.amount)),
        "UpdatedDateUTC": instant(plan.at),
        "CurrencyCode": "NZD",
    }


def manual_journal_document(company: Company, number: int) -> Document:
    """Write a manual journal."""
    plan = plan_manual_journal(company, number)
    return {
        "Date": instant(midnight(plan.at)),
        "Status": plan.status,
        "LineAmountTypes": "NoTax",
        "UpdatedDateUTC": instant(plan.at),
        "ManualJournalID": company.uid("ManualJournals", number),
        "Narration": plan.narration,
        "JournalLines": [
            {
                "Description": plan.narration,
                "TaxType": "NONE",
                "TaxAmount": money(0),
                "LineAmount": money(amount),
                "AccountCode": code,
                "AccountID": company.account_ids[code],
                "Tracking": [company.tracking[number % 4]] if number % 3 == 0 else [],
                "IsBlank": False,
            }
            for code, amount in plan.postings
        ],
        "ShowOnCashBasisReports": number % 2 == 0,
        "HasAttachments": number % 9 == 0,
    }


# Orders, quotes, repeating invoices, expenses


def purchase_order_document(company: Company, number: int, count: int) -> Document:
    """Write a purchase order."""
    dice = company.dice("PurchaseOrders", number)
    contact = dice.choice(company.suppliers)
    lines = draw_lines(company, dice, contact, sale=False, mode="Exclusive", count=3)
    at = company.moment("PurchaseOrders", number, count)
    status = ("DRAFT", "SUBMITTED", "AUTHORISED", "BILLED", "BILLED", "DELETED")[number % 6]
    return {
        "PurchaseOrderID": company.uid("PurchaseOrders", number),
        "PurchaseOrderNumber": f"PO-{number + 1:04d}",
        **_dates(at, DeliveryDate=at + 14 * DAY, ExpectedArrivalDate=at + 15 * DAY),
        "SentToContact": status != "DRAFT",
        "DeliveryAddress": "12 Harbour Street\nWellington\n6011",
        "AttentionTo": PEOPLE[number % 4][0],
        "Telephone": "04 555 0123",
        "DeliveryInstructions": "Ring the bell; leave nothing outside",
        "HasErrors": False,
        "IsDiscounted": False,
        "Reference": f"Job {number}",
        "Type": "PURCHASEORDER",
        "CurrencyRate": rate_of(1_000_000),
        "CurrencyCode": contact.currency,
        "Contact": contact_brief(company, contact),
        "BrandingThemeID": company.themes[0],
        "Status": status,
        "LineAmountTypes": "Exclusive",
        "LineItems": line_items(company, f"PurchaseOrders/{number}", lines),
        **_totals(sum_lines(lines, "Exclusive")),
        "UpdatedDateUTC": instant(at),
        "HasAttachments": False,
    }


def quote_document(company: Company, number: int, count: int) -> Document:
    """Write a quote."""
    dice = company.dice("Quotes", number)
    contact = dice.choice(company.customers)
    lines = draw_lines(company, dice, contact, sale=True, mode="Exclusive", count=2)
    at = company.moment("Quotes", number, count)
    status = ("DRAFT", "SENT", "ACCEPTED", "DECLINED", "INVOICED", "DELETED")[number % 6]
    discount = sum(line.quantity * line.price * line.discount // 100_000_000 for line in lines)
    day, end = midnight(at), midnight(at) + 30 * DAY
    return {
        "QuoteID": company.uid("Quotes", number),
        "QuoteNumber": f"QU-{number + 1:04d}",
        "Reference": f"REF-{number}",
        "Terms": "Not valid after the expiry date",
        "Contact": {
            "ContactID": company.uid("Contacts", contact.number),
            "Name": contact.name,
            "FirstName": contact.first,
            "LastName": contact.last,
        },
        "LineItems": line_items(company, f"Quotes/{number}", lines),
        # Quotes carry no zone behind their instants.
        "Date": f"/Date({day})/",
        "DateString": date_text(day),
        "ExpiryDate": f"/Date({end})/",
        "ExpiryDateString": date_text(end),
        "Status": status,
        "CurrencyRate": rate_of(drift_free(contact)),
        "CurrencyCode": contact.currency,
        **_totals(sum_lines(lines, "Exclusive")),
        "TotalDiscount": money(discount),
        "Title": "Your quote",
        "Summary": f"Prices for {contact.name}",
        "BrandingThemeID": company.themes[1],
        "UpdatedDateUTC": f"/Date({at})/",
        "LineAmountTypes": "EXCLUSIVE",
    }


def drift_free(contact: Contact) -> int:
    """Give the plain rate of a contact's currency, in millionths."""
    return {"NZD": 1_000_000, "AUD": 937_053, "USD": 612_418}[contact.currency]


def repeating_invoice_document(company: Company, number: int) -> Document:
    """Write a repeating invoice."""
    dice = company.dice("RepeatingInvoices", number)
    contact = dice.choice(company.customers)
    lines = draw_lines(company, dice, contact, sale=True, mode="Exclusive", count=2)
    uid = company.uid("RepeatingInvoices", number)
    start = midnight(company.now - (400 - number) * DAY)
    return {
        "Schedule": {
            "Period": 1,
            "Unit": "MONTHLY",
            "DueDate": 10,
            "DueDateType": "OFFOLLOWINGMONTH",
            "StartDate": instant(start),
            "NextScheduledDate": instant(midnight(company.now + 9 * DAY)),
        },
        "RepeatingInvoiceID": uid,
        "ID": uid,
        "Type": "ACCREC",
        "Reference": "[Week]",
        "HasAttachments": False,
        "ApprovedForSending": False,
        "SendCopy": False,
        "MarkAsSent": False,
        "IncludePDF": False,
        "Contact": contact_brief(company, contact),
        "BrandingThemeID": company.themes[0],
        "Status": ("AUTHORISED", "DRAFT", "DELETED")[number % 3],
        "LineAmountTypes": "Exclusive",
        "LineItems": line_items(company, f"RepeatingInvoices/{number}", lines),
        **_totals(sum_lines(lines, "Exclusive")),
        "CurrencyCode": contact.currency,
    }


def linked_transaction_document(company: Company, number: int) -> Document:
    """Write a billable expense: a line of a bill, at times already on an invoice."""
    bill = number * 30 + 11
    plan = plan_invoice(company, bill)
    contact = company.customers[number % len(company.customers)]
    document: Document = {
        "LinkedTransactionID": company.uid("LinkedTransactions", number),
        "SourceTransactionID": company.uid("Invoices", bill),
        "SourceLineItemID": company.uid("LineItems", f"Invoices/{bill}/0"),
        "ContactID": company.uid("Contacts", contact.number),
        "Status": "APPROVED",
        "Type": "BILLABLEEXPENSE",
        "UpdatedDateUTC": instant(plan.created + 1_000),
        "SourceTransactionTypeCode": "ACCPAY",
    }
    if number % 2:
        target = bill + 1
        document |= {
            "TargetTransactionID": company.uid("Invoices", target),
            "TargetLineItemID": company.uid("LineItems", f"Invoices/{target}/0"),
            "Status": "ONDRAFT",
        }
    return document


def person_brief(company: Company, number: int) -> Document:
    """Name a user the way receipts and expense claims do."""
    first, last, role, subscriber = PEOPLE[number]
    return {
        "UserID": company.uid("Users", number),
        "EmailAddress": f"{first.lower()}@harbourstreet.example",
        "FirstName": first,
        "LastName": last,
        "UpdatedDateUTC": instant(company.now - 500 * DAY),
        "IsSubscriber": subscriber,
        "OrganisationRole": role,
    }


def receipt_document(company: Company, number: int) -> Document:
    """Write a receipt; every two make a claim."""
    dice = company.dice("Receipts", number)
    local = [contact for contact in company.suppliers[:60] if contact.currency == "NZD"]
    contact = dice.choice(local)
    lines = draw_lines(company, dice, contact, sale=False, mode="Inclusive", count=1)
    at = company.now - (700 - number // 2 * 20) * DAY
    uid = company.uid("Receipts", number)
    return {
        "ReceiptID": uid,
        "ReceiptNumber": number + 1,
        "Status": "AUTHORISED",
        "User": person_brief(company, number // 2 % 4),
        "Contact": contact_brief(company, contact),
        "Date": instant(midnight(at)),
        "UpdatedDateUTC": instant(at),
        "Reference": "",
        "LineAmountTypes": "Inclusive",
        "LineItems": line_items(company, f"Receipts/{number}", lines),
        **_totals(sum_lines(lines, "Inclusive")),
        "ID": uid,
        "HasAttachments": False,
    }


def expense_claim_document(company: Company, number: int) -> Document:
    """Write an expense claim of two receipts."""
    receipts = [receipt_document(company, number * 2 + at) for at in range(2)]
    total = sum((each["Total"] for each in receipts), Decimal())
    at = company.now - (699 - number * 20) * DAY
    return {
        "ExpenseClaimID": company.uid("ExpenseClaims", number),
        "Status": "AUTHORISED",
        "UpdatedDateUTC": instant(at),
        "User": person_brief(company, number % 4),
        "Receipts": receipts,
        "Payments": [],
        "Total": total,
        "AmountDue": total,
        "AmountPaid": money(0),
        "PaymentDueDate": instant(midnight(at + 14 * DAY)),
        "ReportingDate": instant(midnight(at)),
    }


def count_refunds(company: Company) -> range:
    """Give the numbers of the credit notes that were refunded."""
    count = count_credits(company, "CreditNotes")
    return range(count - 2, count)
