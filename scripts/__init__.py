"""Scripts for those who work on buildferry; they are not shipped."""
