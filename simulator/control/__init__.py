"""The control side, `/sim/…` (design §4.4): what people do in their clients, and what goes wrong on purpose."""

from simulator.control import chat, console, crowd, groups, machine, model, people

routes = [*chat.routes, *console.routes, *crowd.routes, *groups.routes, *machine.routes, *model.routes, *people.routes]
