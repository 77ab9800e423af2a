"""The books that the demo Xero serves: a company, its documents and its ledger."""
