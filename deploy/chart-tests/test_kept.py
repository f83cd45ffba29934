"""What the chart asks the cluster for, such as the passwords of before an upgrade. A small server plays the cluster."""

import base64
import http.server
import json
import subprocess
import threading

import pytest
import yaml

from conftest import CHART, HERE, of_kind, render


def discovery(objects):
    """What a cluster says of itself, as far as it is asked: each kind of these objects."""
    groups, answers = {}, {"/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}}
    for version in sorted({each["apiVersion"] for each in objects}):
        kinds = sorted({each["kind"] for each in objects if each["apiVersion"] == version})
        resources = [{"name": f"{kind.lower()}s", "kind": kind, "namespaced": True, "verbs": ["get"]} for kind in kinds]
        answers[f"/apis/{version}" if "/" in version else f"/api/{version}"] = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": resources,
        }
        if "/" in version:
            entry = {"groupVersion": version, "version": version.partition("/")[2]}
            groups[version.partition("/")[0]] = {"versions": [entry], "preferredVersion": entry}
    answers["/api"] = {"kind": "APIVersions", "versions": ["v1"]}
    answers["/apis"] = {"kind": "APIGroupList", "groups": [{"name": name, **each} for name, each in groups.items()]}
    return answers


class Cluster(http.server.BaseHTTPRequestHandler):
    answers, secrets, deployments = {}, {}, {}

    def do_GET(self):  # pylint: disable=invalid-name
        path = self.path.partition("?")[0]
        folder, _, name = path.rpartition("/")
        kept = {
            "/api/v1/namespaces/sale/secrets": self.secrets,
            "/apis/apps/v1/namespaces/sale/deployments": self.deployments,
        }
        answer = self.answers.get(path) or kept.get(folder, {}).get(name)
        self.send_response(200 if answer else 404)
        self.send_header("content-type", "application/json")
        self.end_headers()
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        self.wfile.write(json.dumps(answer or missing).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def cluster(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = tmp_path / "kubeconfig"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": ""}}],
                "current-context": "here",
            }
        )
    )
    yield config
    server.shutdown()
    server.server_close()


def ask_for_upgrade(cluster, *sets, values="demo"):
    command = ["helm", "template", "tickets", CHART, "--namespace", "sale", "--values", HERE / f"values/{values}.yaml"]
    command += ["--dry-run=server", "--kubeconfig", cluster, "--is-upgrade", "--disable-openapi-validation"]
    command += [f"--set={each}" for each in sets]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def upgrade(cluster, kind, *sets):
    """The objects of a kind that an upgrade makes."""
    done = ask_for_upgrade(cluster, *sets)
    assert done.returncode == 0, done.stderr
    made = [each for each in yaml.safe_load_all(done.stdout) if each]
    return {each["metadata"]["name"]: each for each in of_kind(made, kind)}


def test_autoscaling_that_is_switched_on_begins_with_what_there_is(cluster):
    scaled = ["bookingSvc.autoscaling.enabled=true", "wsGateway.autoscaling.enabled=true"]
    objects = render("demo", *scaled)
    before = {each["metadata"]["name"]: each for each in of_kind(objects, "Deployment")}
    for deployment in before.values():
        deployment["spec"]["replicas"] = 7
    Cluster.answers, Cluster.secrets, Cluster.deployments = discovery(objects), {}, before
    after = upgrade(cluster, "Deployment", *scaled)
    assert {name: each["spec"]["replicas"] for name, each in after.items()} == dict.fromkeys(before, 7)
    Cluster.deployments = {}
    assert all("replicas" not in each["spec"] for each in upgrade(cluster, "Deployment", *scaled).values())


def test_passwords_are_kept_at_an_upgrade(cluster):
    objects = render("demo")
    before = {each["metadata"]["name"]: each for each in of_kind(objects, "Secret")}
    assert len(before) == 4

    Cluster.answers, Cluster.secrets = discovery(objects), before
    after = upgrade(cluster, "Secret")
    assert {name: each["data"] for name, each in after.items()} == {name: each["data"] for name, each in before.items()}
    Cluster.secrets = {}
    fresh = upgrade(cluster, "Secret")
    passwords = [value for each in (before, fresh) for secret in each.values() for value in secret["data"].values()]
    assert len(set(passwords)) == len(passwords), "a password is used twice"
    assert all(len(base64.b64decode(value)) >= 48 for value in passwords)


def test_a_url_of_another_kind_is_refused_and_not_shown(cluster):
    def answer(url):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "redis"}}
        Cluster.answers, Cluster.deployments = discovery(render("everything")), {}
        Cluster.secrets = {"redis": {**secret, "data": {"url": base64.b64encode(url.encode()).decode()}}}
        return ask_for_upgrade(cluster, values="redlock")

    done = answer("redlock://te:hunter2@a:6379,b:6379,c:6379")
    assert done.returncode == 0, done.stderr
    done = answer("redis-cluster://te:hunter2@a:6379,b:6379,c:6379")
    assert "redis.external.scheme is redlock, and the url in the Secret redis is not redlock://" in done.stderr
    assert done.returncode != 0 and "hunter2" not in done.stderr + done.stdout
    Cluster.secrets = {}
    assert ask_for_upgrade(cluster, values="redlock").returncode == 0, "it may come later"
