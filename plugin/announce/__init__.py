"""What people elsewhere are told at the end of a run: a message in a chat, a comment on the pull request, a QR code.

run comes in. Doors: Announcement and ending (announcement.py), show_install_link (install.py). What fails here is a
warning, and never the verdict. What talks HTTP is imported only when there is something to tell.
"""
