"""`python -m lamina_cli`."""

from lamina_cli import main

main()
