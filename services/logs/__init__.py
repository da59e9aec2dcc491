"""Jobs and their log lines: kernels push, users page and stream."""
