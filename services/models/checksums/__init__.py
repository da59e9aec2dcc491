"""A process of its own that reads files whose checksums nobody knows; claims them by a lease."""
