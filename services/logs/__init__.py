"""The logs service: jobs, their log lines, and live streams of them."""
