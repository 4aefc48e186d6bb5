"""The CI systems that run us: how each hands in inputs and takes outputs, and what it knows of the source.

`__main__` and run come in, and scripts for the names; services never know which host they run on. The doors: HOSTS;
Publisher (publisher.py); find (source.py); the names' forms (spelling.py). A new host is a file and a line here.
"""

from plugin.hosts import bitrise, github, jenkins, plain

HOSTS = {"github": github.HOST, "bitrise": bitrise.HOST, "jenkins": jenkins.HOST, "plain": plain.HOST}
