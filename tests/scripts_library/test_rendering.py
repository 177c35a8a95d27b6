"""Users' templates: what they may say, what they may not, and that nothing gets out of the sandbox."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scripts_library.rendering import ENVIRONMENT, FILTERS, TemplateRefused, Variable, check, render, used_variables

VARIABLES = {
    "customer.name": Variable("the customer's name", "王" * 20, "您好"),
    "staff.name": Variable("the member's name", "李" * 20, "专属顾问"),
    "greeting": Variable("by the hour", "上午好"),
}
VALUES = {"customer.name": "陈女士", "staff.name": "林晓", "greeting": "上午好"}
anything = settings(deadline=None, max_examples=300)
NAMES = (
    "customer.name",
    "staff.name",
    "greeting",
    "customer",
    "staff",
    "secret",
    "self",
    "loop",
    "cycler",
    "namespace",
)
ATTRIBUTES = ("__class__", "__mro__", "__globals__", "name", "upper", "format", "_x", "keys", "render")


def written(depth: int = 3) -> st.SearchStrategy[str]:
    """Expressions as somebody who tries to break out would write them."""
    leaf = st.sampled_from([*NAMES, "'文'", "1", "2.5", "true", "none", "''", "1e400", "[1, 2]", "{'a': 1}", "()"])
    return st.recursive(leaf, grown, max_leaves=2**depth)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions made of smaller ones."""
    filters = st.sampled_from([*FILTERS, "attr", "map", "format", "pprint", "tojson", "join"])
    return st.one_of(
        st.builds("{}.{}".format, inner, st.sampled_from(ATTRIBUTES)),
        st.builds("{}['{}']".format, inner, st.sampled_from(ATTRIBUTES)),
        st.builds("{}({})".format, inner, inner),
        st.builds("{}|{}".format, inner, filters),
        st.builds("{}|{}({})".format, inner, filters, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["==", "and", "or", "+", "~", "**", "in", "<"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("not {}".format, inner),
    )


templates = st.one_of(
    st.builds("{{{{ {} }}}}".format, written()),
    st.builds("{{% if {} %}}{}{{% endif %}}".format, written(), st.builds("{{{{ {} }}}}".format, written())),
    st.builds("{{% set x = {} %}}{{{{ x }}}}".format, written()),
    st.builds("{{% for x in {} %}}{{{{ x }}}}{{% endfor %}}".format, written()),
    st.builds(
        "{{% {} {} %}}".format, st.sampled_from(["include", "import", "extends", "macro", "call", "do"]), written()
    ),
    st.text("{}%#|.()'\"_ \nabc文", max_size=60),
    st.text(max_size=60),
)


@anything
@given(template=templates)
def test_a_template_is_refused_or_says_only_its_values_and_its_own_words(template: str) -> None:
    try:
        used = check(template, VARIABLES, 4000)
        said = render(template, VALUES)
    except TemplateRefused:
        return
    assert used <= VARIABLES.keys()
    assert "<" not in said or "<" in template
    for word in ("class ", "function ", "object at 0x", "Undefined", "secret"):
        assert word not in said or word in template


@anything
@given(template=templates)
def test_no_accepted_template_holds_a_call_a_loop_or_a_hidden_attribute(template: str) -> None:
    try:
        used_variables(template, frozenset(VARIABLES))
    except TemplateRefused:
        return
    tokens = [token for _, kind, token in ENVIRONMENT.lex(template) if kind in {"name", "operator"}]
    assert not {"for", "set", "macro", "call", "include", "import", "extends", "["} & set(tokens)
    assert not any(token.startswith("_") for token in tokens)


@given(name=st.text(max_size=60))
@example("{{ staff.name }}{% raw %}<a href='x'>")
def test_a_value_is_said_as_it_is_and_never_read_as_a_template(name: str) -> None:
    assert render("您好{{ customer.name }}！", {"customer.name": name}) == f"您好{name}！".strip()


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ greeting }}，{{ customer.name }}", "上午好，陈女士"),
        ("{% if staff.name == '林晓' %}我是小林{% else %}我是{{ staff.name }}{% endif %}", "我是小林"),
        ("{{ customer.name|truncate(2, true, '', 0) }}", "陈女"),
        ("{{ customer.name|default('您', true) }} {{ customer.name|length }}", "陈女士 3"),
        ("  两边的空白 \n", "两边的空白"),
        ("{% raw %}{{ 原样 }}{% endraw %}", "{{ 原样 }}"),
    ],
)
def test_what_a_template_may_say(template: str, text: str) -> None:
    check(template, VARIABLES, 4000)

    assert render(template, VALUES) == text


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("您好{{ customer.nmae }}", "line 1: customer.nmae is unknown; there are customer.name, greeting, staff.name"),
        ("第一行\n{{ client }}", "line 2: client is unknown"),
        ("{{ customer.name.__class__ }}", "customer.name.__class__ is unknown"),
        ("{{ ''.join }}", "this expression is unknown"),
        ("{{ customer.name() }}", "line 1: call is not allowed here; use names, filters and if"),
        ("{% for x in greeting %}x{% endfor %}", "line 1: for is not allowed here"),
        ("{% set x = 1 %}", "line 1: assign is not allowed here"),
        ("{{ greeting|attr('x') }}", "filter attr is unknown; there are default"),
        ("{{ greeting", "line 1: unexpected end of template"),
        ("{% if greeting %}", "line 1: Unexpected end of template"),
        ("{{ greeting|round }}", "it cannot be filled in"),
        ("{{ greeting|truncate('a') }}", "it cannot be filled in"),
        ("{{ greeting|default(a=1, a=2) }}", "it cannot be filled in"),
        ("{{ 1e999|int }}", "it cannot be filled in"),
        ("{% if greeting %}" * 150 + "x" + "{% endif %}" * 150, "it cannot be filled in"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "nested too deeply"),
        ("{{ " + "9" * 9999 + " }}", "9999 digits"),
        ("半个\ud800字", "character 3 is no whole character"),
        ("长" * 1334, "the text can grow to 4002 bytes (a Chinese character has 3); 4000 are allowed"),
        ("{{ customer.name }}" + "长" * 1320, "the text can grow to 4020 bytes"),
        ("x" * 20_001, "the template has 20001 characters; 20000 are allowed"),
    ],
)
def test_a_refusal_names_the_place_and_the_remedy(template: str, told: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        check(template, VARIABLES, 4000)

    assert told in str(refused.value)


def test_a_value_that_is_not_there_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(TemplateRefused, match="customer"):
        render("您好{{ customer.name }}", {"staff.name": "林晓"})
