"""Writes JSON schemas for kubeconform: DIR "VERSION..." FILE... (CustomResourceDefinitions)."""

import importlib.resources
import json
import pathlib
import sys

import yaml


def builtin(out, version):
    """Those of kubernetes-validate, which finds what they refer to in a way of its own."""
    source = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    folder = out / f"v{version}.0"
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        schema = json.loads(file.read_text())
        schema.pop("$id", None)
        text = json.dumps(schema).replace("/api/_definitions.json#", "_definitions.json#")
        (folder / file.name).write_text(text)


def strict(schema):
    """Refuses fields that a definition does not have, as the API server drops them in silence."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items() if not key.startswith("x-kubernetes-list")}
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


def custom(out, file):
    crd = yaml.safe_load(file.read_text())["spec"]
    folder = out / "crds" / crd["group"]
    folder.mkdir(parents=True, exist_ok=True)
    for version in crd["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        (folder / f"{crd['names']['kind'].lower()}_{version['name']}.json").write_text(json.dumps(schema))


if __name__ == "__main__":
    target, versions, *files = sys.argv[1:]
    for each in versions.split():
        builtin(pathlib.Path(target), each)
    for each in files:
        custom(pathlib.Path(target), pathlib.Path(each))
