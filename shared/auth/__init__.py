"""Who a request comes from, and what they may do: tokens, scopes, job tokens, tickets and the console's cookie."""
