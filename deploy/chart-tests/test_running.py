"""The demo of the chart, as processes: its scripts work, and its settings are those that the programs want."""

import re

import pytest

from conftest import main, one, pod
from processes import get, wait_for
from stores import Stores

NAME = "tickets-ticketengine"


@pytest.fixture(scope="module")
def pods():
    system = Stores()
    try:
        system.start_redis()
        system.start_postgresql()
        yield system
    finally:
        system.close()


def test_redis_has_the_two_users(pods):
    password = pods.secret(f"{NAME}-redis", "service-password")
    wait_for(lambda: pods.redis("ping", user="ticketengine", password=password) == "PONG")
    assert "NOPERM" in pods.redis("config", "get", "save", user="ticketengine", password=password)
    admin = pods.secret(f"{NAME}-redis", "admin-password")
    for name, value in [
        ("maxmemory-policy", "noeviction"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
    ]:
        assert pods.redis("config", "get", name, user="default", password=admin).partition("\n")[2] == value
    assert "NOAUTH" in pods.redis("ping", user="default", password="guessed")


def test_postgresql_has_the_two_roles(pods):
    service, owner = (pods.secret(f"{NAME}-postgresql", key) for key in ("url", "owner-url"))
    # As if a changed Secret came back: the hook runs at each start.
    pods.roles(SERVICE_PASSWORD="another", POSTGRES_PASSWORD="another")
    assert pods.psql(service, "SELECT 1").returncode != 0
    pods.roles()
    answer = pods.psql(
        service, "SELECT current_user, (SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname LIKE 'ticket%')"
    )
    assert answer.stdout.strip() == "ticketengine_service|f", answer.stderr
    assert (
        pods.psql(
            owner, "SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes; SHOW data_checksums"
        ).stdout.split()
        == ["on"] * 4
    )
    # The superuser's password of the first start is gone.
    superuser = owner.replace("//ticketengine:", "//postgres:").replace("/ticketengine", "/postgres")
    assert "password authentication failed" in pods.psql(superuser, "SELECT 1").stderr


def test_the_system_starts_and_is_ready(pods):
    pods.run(one(pods.objects, "Deployment", f"{NAME}-booking-svc"), "migrate")
    pods.config("demo", pods.home / "demo")
    pods.run(one(pods.objects, "Job", f"{NAME}-demo"), "load")
    pods.serve("booking-svc")
    pods.serve("ws-gateway")
    # The gateway is ready when booking-svc says SERVING.
    wait_for(lambda: (pods.probe("ws-gateway", "readinessProbe") or [0])[0] == 200)
    for program in ("booking-svc", "ws-gateway"):
        for kind in ("startupProbe", "livenessProbe"):
            assert pods.probe(program, kind)[0] == 200, f"{program} {kind}"


def test_helm_test_finds_what_it_asks_for(pods):
    (script,) = pod(one(pods.objects, "Pod", f"{NAME}-test"))[1]["containers"][0]["args"]
    asked = re.findall(r"wget -T 10 -qO- (http://\S+)(?: \| grep '\^(\w+)')?", script)
    assert len(asked) == script.count("wget") == 4
    for url, metric in asked:
        status, body = get(pods.here(url))
        assert status == 200 and re.search(f"^{metric}", body, re.MULTILINE), url
        if url.endswith("/v1/events"):
            assert "theatre" in body


@pytest.mark.parametrize("program", ["ws-gateway", "booking-svc"])
def test_a_stop_ends_within_its_time(pods, program):
    (workload,) = [
        each for each in pods.objects if each["kind"] == "Deployment" and each["metadata"]["name"].endswith(program)
    ]
    pause = main(pods.objects, program)["lifecycle"]["preStop"]["sleep"]["seconds"]
    status, seconds = pods.stop(program)
    assert status == 0 and seconds < pod(workload)[1]["terminationGracePeriodSeconds"] - pause
