"""`python -m hola_plugins.cli`, for where the `hola` script is not on the path."""

from hola_plugins.cli import main

main()
