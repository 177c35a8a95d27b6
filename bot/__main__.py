"""`python -m bot` is `frontline`."""

import sys
from bot.commands.line import main
sys.setswitchinterval(0.0005)

main()
