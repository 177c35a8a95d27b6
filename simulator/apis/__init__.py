"""The platform's APIs, a module per family; importing this package registers them all."""

from simulator.apis import customers as _customers
from simulator.apis import tokens as _tokens

__all__ = ["_customers", "_tokens"]
