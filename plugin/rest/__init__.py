"""The only room that talks HTTP: requests, answers, what went wrong, and what may be retried.

files/, services/ and run come in. Doors: client.Rest, and the records in exchange. The client loads requests: import it
only where something is sent.
"""
