"""`make run`: every part of the system on one machine."""
