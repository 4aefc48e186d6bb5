"""Local files: artifacts to upload, downloads to keep, their names, digests and progress, and the receipt.

services/ and run come in; files/ knows no service.
"""
