"""The rules of structure as tests. They are quick, for `make check`: none starts the program, none builds anything."""
