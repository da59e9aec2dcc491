"""Objects in S3: a client for what minio-py keeps private, a bucket, and bodies that stream into it."""
