"""The platform's APIs, a module per family; importing this package registers them all."""

from simulator.apis import acquisition as _acquisition
from simulator.apis import appchat as _appchat
from simulator.apis import apps as _apps
from simulator.apis import contact_tags as _contact_tags
from simulator.apis import contact_ways as _contact_ways
from simulator.apis import contacts as _contacts
from simulator.apis import customers as _customers
from simulator.apis import group_sends as _group_sends
from simulator.apis import groups as _groups
from simulator.apis import media as _media
from simulator.apis import messages as _messages
from simulator.apis import moments as _moments
from simulator.apis import oauth as _oauth
from simulator.apis import products as _products
from simulator.apis import statistics as _statistics
from simulator.apis import tags as _tags
from simulator.apis import tokens as _tokens
from simulator.apis import transfers as _transfers
from simulator.apis import welcome as _welcome

__all__ = [
    "_acquisition",
    "_appchat",
    "_apps",
    "_contact_tags",
    "_contact_ways",
    "_contacts",
    "_customers",
    "_group_sends",
    "_groups",
    "_media",
    "_messages",
    "_moments",
    "_oauth",
    "_products",
    "_statistics",
    "_tags",
    "_tokens",
    "_transfers",
    "_welcome",
]
