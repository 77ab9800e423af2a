"""The lists that a company sets up once: accounts, contacts, items, tax rates and so on."""

# ruff: noqa: PLR2004 - the odds and proportions of an invented company

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_xero.demo.books.company import (
    ACCOUNTS,
    CATEGORIES,
    CHART,
    CURRENCIES,
    DAY,
    HISTORY,
    OPTIONS,
    TAX_RATES,
    Account,
    Company,
    Contact,
    Item,
)
from tap_xero.demo.books.documents import money, person_brief, quantity
from tap_xero.demo.xero_json import Document, instant, stamp_text

if TYPE_CHECKING:
    from collections.abc import Mapping

# Contact number: what is owed to the company and overdue of it, by the company and overdue of it.
Balances = dict[int, list[int]]


def founded(company: Company) -> int:
    """Give the instant at which the company came to Xero."""
    return company.now - HISTORY - 30 * DAY


def standing_stamp(company: Company, kind: str, number: int) -> int:
    """Give the last change of a row set up in the first month, some in later years."""
    dice = company.dice(f"{kind} stamps", number)
    if dice.random() < 0.7:
        return founded(company) + int(dice.random() * 20 * DAY)
    return founded(company) + int(dice.random() * (HISTORY + 29 * DAY))


def account_document(company: Company, code: str) -> Document:
    """Write an account."""
    account: Account = ACCOUNTS[code]
    document: Document = {
        "AccountID": company.account_ids[code],
        "Code": code,
        "Name": account.name,
        "Status": account.status,
        "Type": account.type,
        "TaxType": account.tax_type,
        "Class": account.account_class,
        "EnablePaymentsToAccount": account.type == "EQUITY",
        "ShowInExpenseClaims": account.type == "EXPENSE" and not account.system,
        "ReportingCode": account.account_class[:3],
        "ReportingCodeName": account.account_class.title(),
        "HasAttachments": False,
        "UpdatedDateUTC": instant(standing_stamp(company, "Accounts", int(code))),
        "AddToWatchlist": code in {"200", "310"},
    }
    if account.description:
        document["Description"] = account.description
    if account.system:
        document["SystemAccount"] = account.system
    if account.bank:
        kind = "CREDITCARD" if account.account_class == "LIABILITY" else "BANK"
        document |= {
            "BankAccountNumber": account.bank,
            "BankAccountType": kind,
            "CurrencyCode": "NZD",
        }
    return document


def account_codes() -> list[str]:
    """Give the codes of the chart in order."""
    return [account.code for account in CHART]


def contact_document(company: Company, contact: Contact, balances: Balances) -> Document:
    """Write a contact with what is outstanding."""
    stamp = standing_stamp(company, "Contacts", contact.number)
    domain = contact.last.encode("ascii", "ignore").decode().lower() or "mail"
    document: Document = {
        "ContactID": company.uid("Contacts", contact.number),
        "ContactNumber": f"C{contact.number:05d}" if contact.number % 2 else "",
        "AccountNumber": f"A-{contact.number * 13}" if contact.number % 3 == 0 else "",
        "ContactStatus": "ARCHIVED" if contact.archived else "ACTIVE",
        "Name": contact.name,
        "FirstName": contact.first,
        "LastName": contact.last,
        "EmailAddress": f"office{contact.number}@{domain}.example",
        "BankAccountDetails": "02-0908-0000123-00" if contact.supplier else "",
        "TaxNumber": f"{71_138_054 + contact.number}" if contact.number % 4 == 0 else "",
        "AccountsReceivableTaxType": "OUTPUT2",
        "AccountsPayableTaxType": "INPUT2",
        "Addresses": [
            {"AddressType": "STREET", "City": "", "Region": "", "PostalCode": "", "Country": ""},
            {
                "AddressType": "POBOX",
                "AddressLine1": f"{contact.number * 3 + 1} Harbour Street",
                "City": contact.town,
                "Region": "",
                "PostalCode": f"{6000 + contact.number % 900}",
                "Country": "New Zealand",
                "AttentionTo": "",
            },
        ],
        "Phones": [
            {
                "PhoneType": kind,
                "PhoneNumber": f"555 {contact.number % 10_000:04d}" if kind == "DEFAULT" else "",
                "PhoneAreaCode": "04" if kind == "DEFAULT" else "",
                "PhoneCountryCode": "64" if kind == "DEFAULT" else "",
            }
            for kind in ("DDI", "DEFAULT", "FAX", "MOBILE")
        ],
        "UpdatedDateUTC": instant(stamp),
        "ContactGroups": _groups_of(company, contact),
        "IsSupplier": contact.supplier,
        "IsCustomer": contact.customer,
        "DefaultCurrency": contact.currency,
        "SalesTrackingCategories": [],
        "PurchasesTrackingCategories": [],
        "PaymentTerms": {
            "Bills": {"Day": 20, "Type": "OFFOLLOWINGMONTH"},
            "Sales": {"Day": 14, "Type": "DAYSAFTERBILLDATE"},
        },
        "ContactPersons": _persons_of(contact),
        "HasAttachments": False,
        "HasValidationErrors": False,
    }
    if contact.number % 5 == 0:
        document["Website"] = f"https://www.{domain}.example/"
    document |= _defaults_of(company, contact)
    owed = balances.get(contact.number)
    if owed:
        document["Balances"] = {
            "AccountsReceivable": {"Outstanding": money(owed[0]), "Overdue": money(owed[1])},
            "AccountsPayable": {"Outstanding": money(owed[2]), "Overdue": money(owed[3])},
        }
    return document


def _defaults_of(company: Company, contact: Contact) -> Document:
    """Write what some contacts have: defaults for their documents, bank details, a merger."""
    defaults: Document = {}
    if contact.number % 4 == 1:
        defaults |= {
            "SalesDefaultAccountCode": "200",
            "PurchasesDefaultAccountCode": "310",
            "SalesDefaultLineAmountType": "EXCLUSIVE",
            "PurchasesDefaultLineAmountType": "INCLUSIVE",
            "SalesTrackingCategories": [
                {"TrackingCategoryName": "Region", "TrackingOptionName": "North"}
            ],
            "Discount": money(1000),
            "BrandingTheme": {"BrandingThemeID": company.themes[0], "Name": "Standard"},
        }
    if contact.supplier and contact.number % 2:
        defaults["CompanyNumber"] = f"94290{contact.number:08d}"
        defaults["BatchPayments"] = {
            "BankAccountNumber": "02-0908-0000123-00",
            "BankAccountName": contact.name,
            "Details": "Harbour St",
            "Code": "",
            "Reference": "",
        }
    if contact.number % 20 == 19:
        defaults["MergedToContactID"] = company.uid("Contacts", contact.number - 1)
    return defaults


def _persons_of(contact: Contact) -> list[Document]:
    if contact.number % 4:
        return []
    name = contact.last.title()
    person = {
        "FirstName": "Sam",
        "LastName": name,
        "EmailAddress": "sam@office.example",
        "IncludeInEmails": True,
    }
    return [person]


GROUPS = ("Suppliers", "Schools & clubs", "Trade customers")


def _groups_of(company: Company, contact: Contact) -> list[Document]:
    if contact.number % 6 >= len(GROUPS):
        return []
    number = contact.number % 6
    group = {
        "ContactGroupID": company.uid("ContactGroups", number),
        "Name": GROUPS[number],
        "Status": "ACTIVE",
        "Contacts": [],
        "HasValidationErrors": False,
    }
    return [group]


def contact_group_document(company: Company, number: int) -> Document:
    """Write a contact group; the list leaves its contacts out."""
    return {
        "ContactGroupID": company.uid("ContactGroups", number),
        "Name": GROUPS[number],
        "Status": "ACTIVE",
        "Contacts": [],
        "HasValidationErrors": False,
    }


def item_document(company: Company, number: int) -> Document:
    """Write an item."""
    item: Item = company.items[number]
    document: Document = {
        "ItemID": company.uid("Items", number),
        "Code": item.code,
        "Name": item.name,
        "Description": f"{item.name}, sold by the piece",
        "PurchaseDescription": f"{item.name}, bought in",
        "UpdatedDateUTC": instant(standing_stamp(company, "Items", number)),
        "PurchaseDetails": {
            "UnitPrice": quantity(item.cost),
            "COGSAccountCode" if item.tracked else "AccountCode": "310",
            "TaxType": "INPUT2",
        },
        "SalesDetails": {
            "UnitPrice": quantity(item.sale),
            "AccountCode": "210" if "Service" in item.name else "200",
            "TaxType": "OUTPUT2",
        },
        "IsTrackedAsInventory": item.tracked,
        "IsSold": True,
        "IsPurchased": True,
    }
    if item.tracked:
        on_hand = 5 + number % 17
        document |= {
            "InventoryAssetAccountCode": "630",
            "TotalCostPool": money(item.cost * on_hand // 100),
            "QuantityOnHand": quantity(on_hand * 10_000),
        }
    return document


def tax_rate_document(tax_type: str) -> Document:
    """Write a tax rate."""
    name, report, percent = TAX_RATES[tax_type]
    rate = quantity(percent * 10_000)
    return {
        "Name": name,
        "TaxType": tax_type,
        "ReportTaxType": report,
        "CanApplyToAssets": True,
        "CanApplyToEquity": True,
        "CanApplyToExpenses": report != "OUTPUT",
        "CanApplyToLiabilities": True,
        "CanApplyToRevenue": report != "INPUT",
        "DisplayTaxRate": rate,
        "EffectiveRate": rate,
        "Status": "ACTIVE",
        "TaxComponents": [
            {"Name": "GST", "Rate": rate, "IsCompound": False, "IsNonRecoverable": False}
        ],
    }


def tracking_category_document(company: Company, name: str) -> Document:
    """Write a tracking category with all of its options; the list hides the archived ones."""
    return {
        "Name": name,
        "Status": "ARCHIVED" if CATEGORIES[name] else "ACTIVE",
        "TrackingCategoryID": company.uid("TrackingCategories", name),
        "Options": [
            {
                "TrackingOptionID": company.uid("TrackingOptions", name + option.name),
                "Name": option.name,
                "Status": "ARCHIVED" if option.archived else "ACTIVE",
                "HasValidationErrors": False,
                "IsDeleted": False,
                "IsArchived": option.archived,
                "IsActive": not option.archived,
            }
            for option in OPTIONS
            if option.category == name
        ],
    }


def currency_document(code: str) -> Document:
    """Write a currency."""
    return {"Code": code, "Description": CURRENCIES[code]}


def branding_theme_document(company: Company, number: int) -> Document:
    """Write a branding theme."""
    return {
        "BrandingThemeID": company.themes[number],
        "Name": ("Standard", "Workshop")[number],
        "LogoUrl": f"https://in.xero.example/logo?id={number}",
        "Type": "INVOICE",
        "SortOrder": number,
        "CreatedDateUTC": instant(founded(company)),
    }


def user_document(company: Company, number: int) -> Document:
    """Write a user."""
    return person_brief(company, number)


def payment_service_document(company: Company) -> Document:
    """Write the one payment service."""
    return {
        "PaymentServiceID": company.uid("PaymentServices", 0),
        "PaymentServiceName": "PayUpNow",
        "PaymentServiceUrl": "https://www.payupnow.example/",
        "PaymentServiceType": "Custom",
        "PayNowText": "Time To Pay",
    }


def budget_document(company: Company, number: int) -> Document:
    """Write a budget; the list never gives its lines."""
    kind = ("OVERALL", "TRACKING")[number]
    return {
        "BudgetID": company.uid("Budgets", number),
        "Status": "APPROVED",
        "Type": kind,
        "Description": ("Overall Budget", "Budget of the workshop")[number],
        "UpdatedDateUTC": instant(standing_stamp(company, "Budgets", number)),
        "BudgetLines": [],
        "Tracking": [],
    }


def budget_with_lines(company: Company, budget: Document, params: Mapping[str, str]) -> Document:
    """Give a budget its lines for the months asked for: the next three if none are, 24 at most."""
    first = _month_of(params.get("DateFrom", stamp_text(company.now)))
    last = _month_of(params["DateTo"]) if "DateTo" in params else first + 2
    months = range(first, min(last, first + 23) + 1)
    lines = [
        {
            "AccountID": company.account_ids[code],
            "AccountCode": code,
            "BudgetBalances": [
                {"Period": f"{month // 12}-{month % 12 + 1:02}", "Amount": str(amount)}
                for month in months
            ],
        }
        for code, amount in BUDGETED
    ]
    return budget | {"BudgetLines": lines}


# What the overall budget allows each month, by account code.
BUDGETED = (("200", 42_000), ("310", 18_500), ("469", 3_100), ("477", 12_000))


def _month_of(text: str) -> int:
    return int(text[:4]) * 12 + int(text[5:7]) - 1


def organisation_document(company: Company) -> Document:
    """Write the organisation."""
    return {
        "OrganisationID": company.uid("Organisation", 0),
        "APIKey": company.uid("Organisation", "key").replace("-", "").upper()[:30],
        "Name": company.name,
        "LegalName": company.name,
        "PaysTax": True,
        "Version": "NZ",
        "OrganisationType": "COMPANY",
        "BaseCurrency": "NZD",
        "CountryCode": "NZ",
        "IsDemoCompany": False,
        "OrganisationStatus": "ACTIVE",
        "RegistrationNumber": "4455661",
        "TaxNumber": "071-138-054",
        "FinancialYearEndDay": 31,
        "FinancialYearEndMonth": 3,
        "SalesTaxBasis": "PAYMENTS",
        "SalesTaxPeriod": "TWOMONTHS",
        "DefaultSalesTax": "Tax Exclusive",
        "DefaultPurchasesTax": "Tax Exclusive",
        "PeriodLockDate": instant(founded(company)),
        "CreatedDateUTC": instant(founded(company)),
        "OrganisationEntityType": "COMPANY",
        "Timezone": "NEWZEALANDSTANDARDTIME",
        "ShortCode": "!mBdtL",
        "Edition": "BUSINESS",
        "Class": "PREMIUM",
        "LineOfBusiness": "Bicycle retail and repair",
        "Addresses": [],
        "Phones": [],
        "ExternalLinks": [],
        "PaymentTerms": {},
    }


def reminder_document() -> Document:
    """Write the settings of invoice reminders."""
    return {"Enabled": False}
