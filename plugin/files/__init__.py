"""Local files: artifacts to find and send, downloads to keep, their names, digests and progress, and the receipt.

services/ and run come in; files/ knows no service.
"""
