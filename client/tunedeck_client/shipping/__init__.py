"""Takes lines to the logs service: a queue in memory, a spool on disk, and the thread that sends it."""
