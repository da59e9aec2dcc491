"""The version of the project; here, because the client is packaged without the services, which read this."""

__version__ = "0.1.0"
