"""The platform's APIs, a module per family; importing this package registers them all."""

from simulator.apis import appchat as _appchat
from simulator.apis import apps as _apps
from simulator.apis import customers as _customers
from simulator.apis import media as _media
from simulator.apis import messages as _messages
from simulator.apis import tokens as _tokens
from simulator.apis import welcome as _welcome

__all__ = ["_appchat", "_apps", "_customers", "_media", "_messages", "_tokens", "_welcome"]
