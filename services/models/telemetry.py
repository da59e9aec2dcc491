"""What an operator watches of the models service and its checksum process, beside what every process counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

downloads_open = Gauge("tunedeck_downloads_open", "Archives that are being sent now.", multiprocess_mode="livesum")
archive_bytes = Counter("tunedeck_archive_bytes_sent", "Bytes of archives sent.")
checksum_bytes = Counter("tunedeck_checksum_bytes_read", "Bytes that the checksum process read.")
checksum_errors = Counter("tunedeck_checksum_errors", "Files that have no checksums, or others than was said.")
