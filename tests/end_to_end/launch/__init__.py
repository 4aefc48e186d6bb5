"""The launcher: launch.sh, prepare.py and packages.py together, on machines made for each test."""
