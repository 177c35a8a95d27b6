"""`python -m bot` is `frontline`."""

from bot.commands import main

main()
