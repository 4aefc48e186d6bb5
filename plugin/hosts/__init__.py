"""The CI systems that run us: how each passes inputs and receives outputs, and what it knows of the source.

`__main__` and run come in, and scripts for the names; services never know which host they run on. The doors: HOSTS;
Publisher (publisher.py); find (source.py); the names' forms (spelling.py). A new host is a file here, with its record
HOST, and its name in NAMES.
"""

from importlib import import_module

from plugin.hosts.host import Host

NAMES = ("github", "bitrise", "jenkins", "plain")
HOSTS: dict[str, Host] = {name: import_module(f"{__name__}.{name}").HOST for name in NAMES}
