"""What every service's HTTP side shares: errors in one shape, strict bodies and queries, health, paging."""
