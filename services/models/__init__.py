"""The models service: records of models, their files in S3, uploads, downloads and checksums."""
