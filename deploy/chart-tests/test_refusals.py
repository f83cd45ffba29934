"""Values that are refused, and by what."""

import json

import pytest
import yaml

from conftest import CHART, ROOT, refusal


@pytest.mark.parametrize(
    "sets, reason",
    [
        (["auth.issuer="], "auth.issuer is not set"),
        (["auth.audience="], "auth.audience is not set"),
        (["auth.jwks.existingSecret="], "who may sign access tokens"),
        (["redis.maxmemory=700mb"], "redis.maxmemory is above 60 %"),
        (["redis.enabled=false"], "redis.existingSecret must name a Secret"),
        (["redis.external.scheme=redlock"], "the bundled Redis is one"),
        (["redis.external.waitReplicas=1"], "the bundled Redis has no replica"),
        (["postgresql.enabled=false"], "postgresql.existingSecret must name a Secret"),
        (["postgresql.readUrl=true"], "the bundled PostgreSQL has no replica"),
        (["postgresql.serviceRole="], "postgresql.serviceRole is not set"),
        (["postgresql.maxConnections=67"], "postgresql.maxConnections must be at least 68"),
        (["kafka.enabled=true", "kafka.brokers=k:9092", "postgresql.maxConnections=70"], "must be at least 71"),
        (
            ["kafka.enabled=true", "kafka.brokers=k:9092", "kafka.seatsTopic=s", "postgresql.maxConnections=73"],
            "must be at least 74",
        ),
        (["kafka.seatsTopic=ticketengine.bookings"], "kafka.seatsTopic must be another topic"),
        (["bookingSvc.autoscaling.enabled=true", "bookingSvc.autoscaling.maxReplicas=11"], "must be at least 212"),
        (["wsGateway.autoscaling.minReplicas=11"], "wsGateway.autoscaling.minReplicas is above maxReplicas"),
        (["kafka.enabled=true"], "kafka.brokers is not set"),
        (["bookingSvc.tls.clientCa=true"], "needs bookingSvc.tls.existingSecret"),
        (["bookingSvc.tls.clientCa=true", "bookingSvc.tls.existingSecret=tls"], "shuts the gateway out"),
        (["wsGateway.enabled=false", "ingress.enabled=true", "ingress.hosts={a}"], "set wsGateway.enabled=true"),
        (["gatewayApi.httpRoute.enabled=true"], "gatewayApi.httpRoute.parentRefs is empty"),
        (["ingress.enabled=true"], "ingress.hosts is empty"),
        (
            ["gatewayApi.grpcRoute.enabled=true", "gatewayApi.grpcRoute.parentRefs[0].name=public"],
            "networkPolicy.bookingSvc.from is empty",
        ),
    ],
)
def test_values_that_do_not_fit_together(sets, reason):
    assert reason in refusal(*sets)


def test_redlock_has_no_replicas_to_wait_for():
    """As the service would say."""
    reason = refusal("redis.external.waitReplicas=1", values="redlock")
    assert "must be 0 with redlock, whose servers have no replicas" in reason
    assert "must be 0 with redlock://, whose servers have no replicas" in (ROOT / "booking-svc/src/config/mod.rs").read_text()


@pytest.mark.parametrize(
    "typo",
    [
        "replicas=3",
        "bookingSvc.replica=3",
        "bookingSvc.image.tags=1",
        "bookingSvc.settings.TE_QUARANTAINE=on",
        "wsGateway.settings.TE_QUARANTINE=on",
        "bookingSvc.resources.limit.cpu=1",
        "bookingSvc.replicas=many",
        "bookingSvc.databaseConnections=3",
        "wsGateway.service.type=Loadbalancer",
        "wsGateway.allowedOrigins={shop.example}",
        "redis.settings.appendonly=no",
        "redis.persistence.size=8",
        "redis.external.scheme=rediss",
        "redis.external.waitReplicas=17",
        "redis.external.waitTimeout=401ms",
        "redis.external.failoverLag=12",
        "redis.external.to={10.0.7.0/24}",
        "bookingSvc.settings.TE_REDIS_WAIT_REPLICAS=1",
        "postgresql.settings.fsync=off",
        "postgresql.image.digest=sha256:1",
        "kafka.brokers=kafka",
        "kafka.topic=a b",
        "kafka.seatsTopic=a b",
        "log.format=xml",
        "traces.ratio=2",
        "traces.otlpEndpoint=https://collector:4317",
        "traces.otlpEndpoint=http://collector",
        "networkPolicy.stores.form={}",
    ],
)
def test_typos_are_refused(typo):
    assert "schema" in refusal(typo)


def test_the_schema_knows_each_value_and_no_other():
    schema, values = (
        json.loads((CHART / "values.schema.json").read_text()),
        yaml.safe_load((CHART / "values.yaml").read_text()),
    )

    def walk(node, value, path):
        node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        if "properties" not in node or "TE_" in "".join(node["properties"]):
            return
        assert node["additionalProperties"] is False, path
        for key, part in value.items():
            walk(node["properties"][key], part, f"{path}.{key}") if isinstance(part, dict) else None
        assert node["properties"].keys() - {"global"} == value.keys() or path.endswith(".resources"), path

    walk(schema, values, "")
