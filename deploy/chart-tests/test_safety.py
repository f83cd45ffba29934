"""What has to be true of all that is rendered, whatever the values."""

import base64
import re

import pytest
import yaml

from conftest import VALUES, WORKLOADS, containers, env, of_kind, pod, render

SECRET_NAME = re.compile(r"(_URL|_SECRET|PASSWORD)$")
PASSWORD_IN_URL = re.compile(r"://[^/\s\"']*:[^/\s\"']+@")


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def values(request):
    return request.param


@pytest.fixture
def objects(values):
    return render(values)


def test_pods_have_no_rights(objects):
    for workload in of_kind(objects, *WORKLOADS):
        spec, name = pod(workload)[1], workload["metadata"]["name"]
        context = spec["securityContext"]
        assert spec["automountServiceAccountToken"] is False, name
        assert context["runAsNonRoot"] is True and context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), name
        assert not any("hostPath" in volume for volume in spec.get("volumes", [])), name
        for container in containers(workload):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


def test_containers_have_requests_and_limits(objects):
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            for part in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][part].keys(), container["name"]


def test_images_have_a_version(objects):
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            assert re.fullmatch(r"[^:@]+(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", container["image"])


def test_secrets_are_in_secrets_only(objects):
    secrets = [
        base64.b64decode(value).decode() for each in of_kind(objects, "Secret") for value in each["data"].values()
    ]
    others = "\n".join(yaml.safe_dump(each) for each in objects if each["kind"] != "Secret")
    assert not PASSWORD_IN_URL.search(others)
    assert not [secret for secret in secrets if secret in others]
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            for name, value in env(container).items():
                if SECRET_NAME.search(name):
                    assert "secretKeyRef" in value, f"{container['name']} {name}"


def test_secrets_are_there(objects, values):
    """Each Secret that a pod names is made by the chart, with that key, or named in the values."""
    made = {each["metadata"]["name"]: each["data"].keys() for each in of_kind(objects, "Secret")}
    named = set(re.findall(r"existingSecret: ([\w-]+)", values.read_text()))
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            for value in env(container).values():
                if isinstance(value, dict):
                    secret, key = value["secretKeyRef"]["name"], value["secretKeyRef"]["key"]
                    assert secret in named or key in made[secret], f"{secret} {key}"
        for volume in pod(workload)[1].get("volumes", []):
            assert "secret" not in volume or volume["secret"]["secretName"] in named


def test_the_owner_of_the_tables_is_for_migrations_alone(objects):
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            keys = [value["secretKeyRef"]["key"] for value in env(container).values() if isinstance(value, dict)]
            assert "owner-url" not in keys or container["name"] == "migrate"


def test_servers_have_probes(objects):
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        (container,) = pod(workload)[1]["containers"]
        assert container["readinessProbe"] and container["livenessProbe"], container["name"]
        # A replica that waits for a store must not be started again.
        assert not {"grpc", "exec"} & container["livenessProbe"].keys(), container["name"]


def test_files_are_writable_in_volumes_only(objects):
    for workload in of_kind(objects, *WORKLOADS):
        volumes = {volume["name"] for volume in pod(workload)[1].get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        mounted = {mount["name"] for container in containers(workload) for mount in container.get("volumeMounts", [])}
        assert volumes == mounted, workload["metadata"]["name"]
