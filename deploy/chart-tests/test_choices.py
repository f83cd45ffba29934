"""What each value does."""

import json

import pytest
import yaml

from conftest import CHART, HERE, env, main, of_kind, one, pod, render


def test_redis_keeps_what_it_acknowledges():
    config = one(render(), "ConfigMap", "tickets-ticketengine-redis")["data"]["redis.conf"].splitlines()
    assert {"maxmemory-policy noeviction", "appendonly yes", "appendfsync everysec"} <= set(config)
    config = one(render("everything"), "ConfigMap", "tickets-redis")["data"]["redis.conf"].splitlines()
    assert {"slowlog-max-len 1000", "maxmemory 2gb"} <= set(config)


def test_postgresql_keeps_what_it_acknowledges():
    args = main(render("everything"), "postgresql")["args"]
    assert args[::2] == ["-c"] * (len(args) // 2)
    assert {"fsync=on", "full_page_writes=on", "synchronous_commit=on", "max_connections=300"} <= set(args)
    assert "shared_buffers=1GB" in args


@pytest.mark.parametrize("name", ["redis", "postgresql"])
def test_stores_outlive_the_release_and_its_versions(name):
    store = one(render(), "StatefulSet", f"tickets-ticketengine-{name}")
    assert store["spec"]["replicas"] == 1
    assert store["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    # A label with the chart's version would start them anew at each upgrade.
    assert not [label for label in pod(store)[0] if "version" in label or "chart" in label]
    assert store["spec"]["volumeClaimTemplates"]
    assert "volumeClaimTemplates" not in one(render("demo"), "StatefulSet", store["metadata"]["name"])["spec"]


@pytest.mark.parametrize("version, sleeps", [("1.27", False), ("1.29", False), ("1.30", True), ("1.34", True)])
@pytest.mark.parametrize(
    "values, program, setting, after",
    [
        ("minimal", "booking-svc", "TE_GRACE", 12),
        ("everything", "booking-svc", "TE_GRACE", 12),
        ("minimal", "ws-gateway", "TE_DRAIN", 4),
        ("everything", "ws-gateway", "TE_DRAIN", 4),
    ],
)
def test_a_stop_has_the_time_that_it_takes(values, program, setting, after, version, sleeps):
    objects = render(values, version=version)
    (workload,) = [each for each in of_kind(objects, "Deployment") if each["metadata"]["name"].endswith(program)]
    spec = pod(workload)[1]
    (container,) = spec["containers"]
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert (pause > 0) == sleeps
    needs = pause + int(env(container)[setting].removesuffix("s")) + after
    assert needs < spec["terminationGracePeriodSeconds"] <= needs + 5


def test_only_the_demo_and_the_test_are_hooks():
    """Migrations are not: a hook before the install has no database yet."""
    for values, hooks in [("minimal", {"Pod"}), ("demo", {"Pod", "Job"}), ("everything", {"Pod"})]:
        found = {each["kind"] for each in render(values) if "helm.sh/hook" in each["metadata"].get("annotations", {})}
        assert found == hooks


def test_each_replica_migrates_before_it_serves():
    (migrate,) = pod(one(render(), "Deployment", "tickets-ticketengine-booking-svc"))[1]["initContainers"]
    assert migrate["args"] == ["migrate"] and env(migrate)["TE_DATABASE_SERVICE_ROLE"] == "ticketengine_service"
    assert "initContainers" not in pod(one(render("service-only"), "Deployment", "tickets-ticketengine-booking-svc"))[1]


def test_kafka_is_told_where_the_outbox_is_on():
    names = {"minimal": "tickets-ticketengine", "everything": "tickets"}

    def told(values):
        deployment = one(objects := render(values), "Deployment", f"{names[values]}-booking-svc")
        (migrate,) = pod(deployment)[1]["initContainers"]
        settings = {name: value for name, value in env(main(objects, "booking-svc")).items() if "KAFKA" in name}
        return env(migrate)["TE_OUTBOX"], settings

    assert told("minimal") == ("off", {})
    on, settings = told("everything")
    assert on == "on" and settings["TE_KAFKA_BROKERS"] == "kafka-1:9092,kafka-2:9092,kafka-3:9093"
    assert settings["TE_KAFKA_TOPIC"] == "sale.bookings" and settings["TE_KAFKA_SEATS_TOPIC"] == "sale.seats"
    assert settings["TE_KAFKA_OPTIONS"]["secretKeyRef"] == {"name": "kafka", "key": "options"}
    policy = one(render("everything"), "NetworkPolicy", "tickets-booking-svc")["spec"]
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]][-2:] == [9092, 9093]


def test_with_own_secrets_nothing_is_made_up():
    """Argo CD renders again and again: it must come out the same."""
    assert not of_kind(render("own-secrets"), "Secret")
    assert of_kind(render(), "Secret")


def test_tls():
    booking, gateway = main(render("everything"), "booking-svc"), main(render("everything"), "ws-gateway")
    assert "tcpSocket" in booking["readinessProbe"] and "grpc" in main(render(), "booking-svc")["readinessProbe"]
    assert env(gateway)["TE_TARGETS"].startswith("https://") and env(gateway)["TE_TARGETS_CA"]
    (volume,) = pod(one(render("everything"), "Deployment", "tickets-ws-gateway"))[1]["volumes"]
    assert [item["key"] for item in volume["secret"]["items"]] == ["ca.crt"]
    assert env(main(render("service-only"), "booking-svc"))["TE_TLS_CLIENT_CA"]


@pytest.mark.parametrize(
    "values, sets, hops",
    [
        ("minimal", (), "0"),
        ("minimal", ("ingress.enabled=true", "ingress.hosts={a}"), "1"),
        ("minimal", ("ingress.enabled=true", "ingress.hosts={a}", "wsGateway.forwardedHops=0"), "0"),
        ("everything", (), "2"),
    ],
)
def test_proxies_are_counted(values, sets, hops):
    assert env(main(render(values, *sets), "ws-gateway"))["TE_FORWARDED_HOPS"] == hops


def test_long_sockets_have_no_timeout():
    (route,) = of_kind(render("everything"), "HTTPRoute")
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_streams_are_not_sent_about_for_a_lull():
    for scaler in of_kind(render("everything"), "HorizontalPodAutoscaler"):
        behavior = scaler["spec"]["behavior"]
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
        assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0


def test_stores_are_open_to_the_service_only():
    objects = render()
    for name in ("redis", "postgresql"):
        policy = one(objects, "NetworkPolicy", f"tickets-ticketengine-{name}")["spec"]
        (rule,) = policy["ingress"]
        (peer,) = rule["from"]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "booking-svc"
        assert policy["egress"] == [] and "Egress" in policy["policyTypes"]


def test_the_way_to_what_is_outside_is_open():
    policy = one(
        render("service-only", "networkPolicy.enabled=true", "traces.otlpEndpoint=http://collector:4317"),
        "NetworkPolicy",
        "tickets-ticketengine-booking-svc",
    )
    assert [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]] == [
        [53, 53],
        [4317],
        [6380, 6381],
        [6432, 5432],
    ]
    policy = one(render("everything"), "NetworkPolicy", "tickets-ws-gateway")
    assert 14317 in [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


@pytest.mark.parametrize(
    "values, ports, settings",
    [
        ("service-only", [6380, 6381], {"WAIT_REPLICAS": "1", "WAIT_TIMEOUT": "100ms", "FAILOVER_LAG": "12s"}),
        ("sentinel", [6380, 26380], {"WAIT_REPLICAS": "1", "WAIT_TIMEOUT": "50ms", "FAILOVER_LAG": "6s"}),
        ("cluster", [6379, 6380], {"WAIT_REPLICAS": "2", "WAIT_TIMEOUT": "100ms"}),
        ("redlock", [6379], {}),
    ],
)
def test_an_external_redis_of_each_kind(values, ports, settings):
    objects = render(values, "networkPolicy.enabled=true")
    booking = env(main(objects, "booking-svc"))
    assert booking.pop("TE_REDIS_URL")["secretKeyRef"] == {"name": "redis", "key": "url"}
    assert {name: value for name, value in booking.items() if "REDIS" in name} == {
        f"TE_REDIS_{name}": value for name, value in settings.items()
    }
    (rule,) = [each for each in egress(objects) if each["ports"][0]["port"] == ports[0]]
    assert [port["port"] for port in rule["ports"]] == ports
    wanted = yaml.safe_load((HERE / f"values/{values}.yaml").read_text())["redis"]["external"].get("to")
    assert rule.get("to") == wanted
    assert not [each for each in of_kind(objects, "StatefulSet") if each["metadata"]["name"].endswith("redis")]


def egress(objects):
    """The rules by which booking-svc gets out."""
    return one(objects, "NetworkPolicy", "tickets-ticketengine-booking-svc")["spec"]["egress"]


def test_the_bundled_redis_is_not_waited_for():
    assert [name for name in env(main(render(), "booking-svc")) if "REDIS" in name] == ["TE_REDIS_URL"]


def test_a_pooler_and_a_read_replica_can_be_named():
    booking = main(render("service-only"), "booking-svc")
    assert env(booking)["TE_DATABASE_POOLER"] == "transaction"
    (replica,) = [each for each in booking["env"] if each["name"] == "TE_DATABASE_READ_URL"]
    assert replica["valueFrom"]["secretKeyRef"] == {"name": "postgresql", "key": "read-url"}
    assert "TE_DATABASE_READ_URL" not in env(main(render(), "booking-svc"))


def test_each_rule_file_and_dashboard_is_there():
    objects = render("everything")
    rules = {
        each["metadata"]["name"].removeprefix("tickets-"): each["spec"] for each in of_kind(objects, "PrometheusRule")
    }
    assert rules == {file.stem: yaml.safe_load(file.read_text()) for file in (CHART / "rules").glob("*.yaml")} != {}
    boards = {
        key: json.loads(text)
        for each in of_kind(objects, "ConfigMap")
        if "grafana_dashboard" in each["metadata"]["labels"]
        for key, text in each["data"].items()
    }
    assert boards == {file.name: json.loads(file.read_text()) for file in (CHART / "dashboards").glob("*.json")} != {}
    assert all(
        each["metadata"]["labels"]["release"] == "prometheus"
        for each in of_kind(objects, "PrometheusRule", "ServiceMonitor")
    )


def test_the_demo_signs_and_verifies_with_one_secret():
    objects = render("demo")
    booking, gateway = env(main(objects, "booking-svc")), env(main(objects, "ws-gateway"))
    assert booking["TE_JWT_SECRET"] == gateway["TE_DEMO_JWT_SECRET"]
    assert [booking[name] for name in ("TE_JWT_ISSUER", "TE_JWT_AUDIENCE")] == [
        gateway[name] for name in ("TE_JWT_ISSUER", "TE_JWT_AUDIENCE")
    ]
    assert "TE_DEMO_JWT_SECRET" not in env(main(render(), "ws-gateway"))
