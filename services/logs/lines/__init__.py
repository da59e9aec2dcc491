"""Log lines from a request's body to the table, and pages of them."""
