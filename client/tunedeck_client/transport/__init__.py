"""HTTP to the service: connections that are kept, and requests that are repeated while it is away or full."""
