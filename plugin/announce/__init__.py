"""How a run is announced outside of its log: a chat message, a comment on the pull request, a QR code.

Only run imports this room. Doors: Announcement and ending (announcement.py), show_install_link (install.py). A failure
here is a warning and never changes the exit code. Modules that use HTTP are imported only when they are needed.
"""
