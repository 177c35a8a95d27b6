"""Users' templates: checked when saved, filled when sent, never able to reach beyond their variables.

A template may say `{{ customer.name }}`, apply a few filters and choose with `{% if %}`. Loops, calls, assignments and
every other attribute are refused when it is saved, with the line.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILTERS = ("default", "truncate", "upper", "lower", "title", "trim", "length", "int", "round")
ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Const, nodes.Filter, nodes.If,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Keyword,
)  # fmt: skip
UNFILLABLE = (
    TemplateError, SyntaxError, NameError, TypeError, ValueError, ArithmeticError, AssertionError, RecursionError,
    MemoryError,
)  # fmt: skip
"""What jinja2 and its filters raise at a wrong argument, a number too large or a template nested too deeply."""
MAX_TEMPLATE = 20_000
"""Characters of the longest template worth reading."""


class TemplateRefused(ValueError):
    """A template that cannot be saved; the text names the place and the remedy."""


@dataclass(frozen=True)
class Variable:
    """A value a template may use: what it stands for, an example as long as it gets, and what to say without it."""

    meaning: str
    longest: str
    fallback: str = ""


class Blank(StrictUndefined):
    """An unknown name is an error here; nothing is ever rendered as an empty gap by accident."""


def environment() -> ImmutableSandboxedEnvironment:
    """A sandbox with the few filters we document."""
    made = ImmutableSandboxedEnvironment(undefined=Blank, autoescape=False, keep_trailing_newline=False)
    made.filters = {name: made.filters[name] for name in FILTERS}
    made.tests = {}
    made.globals.clear()
    return made


ENVIRONMENT = environment()


@lru_cache(maxsize=500)
def used_variables(template: str, known: frozenset[str]) -> frozenset[str]:
    """The dotted names a template uses. Raises `TemplateRefused` for anything it must not do."""
    if len(template) > MAX_TEMPLATE:
        raise TemplateRefused(f"the template has {len(template)} characters; {MAX_TEMPLATE} are allowed")
    return frozenset(names_in(parsed(template), known))


def parsed(template: str) -> nodes.Template:
    """The template's tree. Raises `TemplateRefused`."""
    try:
        return ENVIRONMENT.parse(template)
    except TemplateSyntaxError as error:
        raise TemplateRefused(f"line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise TemplateRefused("the template is nested too deeply; make it flatter") from error
    except ValueError as error:
        raise TemplateRefused(str(error)) from error


def names_in(node: nodes.Node, known: AbstractSet[str]) -> Iterator[str]:
    """Dotted names below a node, each checked."""
    if isinstance(node, nodes.Getattr | nodes.Name):
        name = dotted(node)
        if name not in known:
            choices = ", ".join(sorted(known))
            raise TemplateRefused(f"line {node.lineno}: {name or 'this expression'} is unknown; there are {choices}")
        yield name
        return
    if not isinstance(node, ALLOWED):
        what = type(node).__name__.lower()
        raise TemplateRefused(f"line {node.lineno}: {what} is not allowed here; use names, filters and if")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise TemplateRefused(f"line {node.lineno}: filter {node.name} is unknown; there are {', '.join(FILTERS)}")
    for child in node.iter_child_nodes():
        yield from names_in(child, known)


def dotted(node: nodes.Node) -> str:
    """`a.b` of an attribute chain; empty when something else is at its root."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        root = dotted(node.node)
        return f"{root}.{node.attr}" if root else ""
    return ""


def check(template: str, variables: Mapping[str, Variable], max_bytes: int) -> frozenset[str]:
    """The variables a template uses, if it can be saved: with every value at its longest it stays within `max_bytes`.

    Raises `TemplateRefused`.
    """
    used = used_variables(template, frozenset(variables))
    longest = size(render(template, {name: one.longest for name, one in variables.items()}))
    if longest > max_bytes:
        raise TemplateRefused(
            f"the text can grow to {longest} bytes (a Chinese character has 3); {max_bytes} are allowed"
        )
    return used


def size(text: str) -> int:
    """The bytes of a text in UTF-8. Raises `TemplateRefused` for half a character."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise TemplateRefused(f"character {error.start + 1} is no whole character; write it anew") from error


def render(template: str, values: Mapping[str, Any]) -> str:
    """The template filled from dotted names. Raises `TemplateRefused` if a value it was checked for is not there."""
    try:
        return compiled(template).render(nested(values)).strip()
    except UNFILLABLE as error:
        raise TemplateRefused(f"it cannot be filled in: {error}") from error


@lru_cache(maxsize=500)
def compiled(template: str) -> Template:
    """A template ready to be filled."""
    return ENVIRONMENT.from_string(template)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree
