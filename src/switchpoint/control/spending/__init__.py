"""Money: budgets, and the ledger that sets aside and books."""
