"""The report: ledger, derivations, errata, extensions, what was measured on networks, and an explorer, as one page."""
