"""The chart and the rest of the repository say the same."""

import json
import re

import pytest

from conftest import CHART, ROOT

# Lets everybody do everything: not in a chart.
LEFT_OUT = {"TE_AUTH"}


@pytest.mark.parametrize(
    "copy, original",
    [
        ("files/redis/users.acl.template", "deploy/redis/users.acl.template"),
        ("files/demo/theatre.json", "deploy/venues/theatre.json"),
    ],
)
def test_copies_are_current(copy, original):
    assert (CHART / copy).read_bytes() == (ROOT / original).read_bytes()


def read_by(*folders):
    sources = [file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.rs")]
    return set(re.findall(r'env = "(TE_\w+)"', "".join(sources))) - LEFT_OUT


@pytest.mark.parametrize("program, part", [("booking-svc", "bookingSvc"), ("ws-gateway", "wsGateway")])
def test_each_setting_can_be_made(program, part):
    known = read_by(f"{program}/src", "telemetry/src")
    templates = (CHART / "templates" / f"{program}.yaml").read_text() + (CHART / "templates" / "_pod.tpl").read_text()
    of_template = set(re.findall(r"\bTE_[A-Z_]+\b", templates))
    schema = json.loads((CHART / "values.schema.json").read_text())
    of_values = schema["properties"][part]["properties"]["settings"]["properties"].keys()
    assert of_template <= known and of_values <= known
    assert known == of_template | of_values
    assert not of_template & of_values, "two ways to set one thing"


def test_the_chart_has_the_programs_version():
    wanted = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert f'appVersion: "{wanted}"' in (CHART / "Chart.yaml").read_text()
