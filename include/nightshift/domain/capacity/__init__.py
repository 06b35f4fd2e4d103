"""Weekend scale-down and restore as values: policies, plans, leases, budgets. Pure, no clock."""
