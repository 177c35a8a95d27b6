"""`python -m bot` is `frontline`."""

from bot.commands.line import main

main()
