"""Test sets: streamed into the bucket, checked on the way, and read back row by row."""
