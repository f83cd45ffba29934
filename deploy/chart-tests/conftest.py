"""The chart, rendered: what the tests ask for."""

import functools
import pathlib
import subprocess

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHART = ROOT / "helm"
VALUES = sorted([*(HERE / "values").glob("*.yaml"), *(CHART / "examples").glob("*.yaml")])
WORKLOADS = ("Deployment", "StatefulSet", "Job", "Pod")


@functools.cache
def helm_template(values, version, sets):
    if isinstance(values, str):
        values = HERE / "values" / f"{values}.yaml"
    command = ["helm", "template", "tickets", CHART, "--namespace", "sale", "--kube-version", version]
    command += ["--values", values]
    command += [word for pair in sets for word in ("--set", pair)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def render(values="minimal", *sets, version="1.34"):
    """All objects. `values` is the name of a file in values/, or the path of one."""
    done = helm_template(values, version, sets)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def refusal(*sets, values="minimal"):
    """Why it is not rendered."""
    done = helm_template(values, "1.34", sets)
    assert done.returncode != 0, f"{sets} was taken"
    return done.stderr


def of_kind(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def one(objects, kind, name):
    found = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def pod(workload):
    """Labels and spec of a workload's pods."""
    if workload["kind"] == "Pod":
        return workload["metadata"]["labels"], workload["spec"]
    template = workload["spec"]["template"]
    return template["metadata"]["labels"], template["spec"]


def containers(workload):
    spec = pod(workload)[1]
    return spec.get("initContainers", []) + spec["containers"]


def main(objects, name):
    """The container of the Deployment or StatefulSet with this ending."""
    found = [each for each in of_kind(objects, "Deployment", "StatefulSet") if each["metadata"]["name"].endswith(name)]
    assert len(found) == 1, f"{len(found)} workloads {name}"
    return pod(found[0])[1]["containers"][0]


def env(container):
    """Name -> value, or the reference that it comes from."""
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}


def chosen(labels, selector):
    return selector.items() <= labels.items()
