"""What an operator sees of a process: its log in JSON lines, its metrics, and the request that each is about."""
