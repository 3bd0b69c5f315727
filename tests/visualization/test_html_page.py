"""The shell of HTML pages."""

import json
import re

import pytest

from aligndetr.visualization.html_page import Markup, element, html_page, joined


def test_text_is_escaped_and_elements_are_not():
    inner = element("b", "a < b & c")
    assert inner == "<b>a &lt; b &amp; c</b>"
    assert element("p", "<i>", inner) == "<p>&lt;i&gt;<b>a &lt; b &amp; c</b></p>"
    assert joined(["<", Markup("<br>")]) == "&lt;<br>"


def test_attributes_are_escaped_and_named_as_html_names_them():
    made = element("td", class_='x" onclick="', data_depth=2, open=True, title=None, hidden=False)
    assert made == '<td class="x&quot; onclick=&quot;" data-depth="2" open></td>'


def test_elements_without_content_are_not_closed():
    assert element("input", type="checkbox", checked=True) == '<input type="checkbox" checked>'


def test_a_page_is_whole_and_knows_light_and_dark():
    page = html_page("<run>", element("p", "text"), style="p{}", script="go();")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>&lt;run&gt;</title>" in page
    assert "<h1>&lt;run&gt;</h1><p>text</p><script>go();</script></body>" in page
    assert "prefers-color-scheme: dark" in page
    assert "p{}</style>" in page
    assert 'id="data"' not in page


def test_data_cannot_end_its_element():
    data = {"name": "</script><!--<script>", "value": 0.5}
    page = html_page("t", data=data)
    [held] = re.findall(r'id="data">(.*?)</script>', page)
    assert "<" not in held
    assert json.loads(held) == data


def test_data_that_is_no_json_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        html_page("t", data=[float("nan")])
