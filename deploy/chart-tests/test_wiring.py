"""Selectors find pods, ports are those that the programs listen on, names lead somewhere."""

import re

import pytest

from conftest import ROOT, VALUES, WORKLOADS, chosen, env, main, of_kind, pod, render


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def objects(request):
    return render(request.param)


def pods(objects):
    """Labels and container ports (name -> number) of all workloads."""
    for workload in of_kind(objects, *WORKLOADS):
        labels, spec = pod(workload)
        yield (
            labels,
            {port["name"]: port["containerPort"] for each in spec["containers"] for port in each.get("ports", [])},
        )


def ports_behind(objects, selector):
    found = [ports for labels, ports in pods(objects) if chosen(labels, selector)]
    assert len(found) == 1, f"{selector} finds {len(found)}"
    return found[0]


def test_workloads_select_their_own_pods(objects):
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        selector = workload["spec"]["selector"]["matchLabels"]
        ports_behind(objects, selector)
        assert chosen(pod(workload)[0], selector)


def test_services_lead_to_open_ports(objects):
    for service in of_kind(objects, "Service"):
        ports = ports_behind(objects, service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports, service["metadata"]["name"]


def test_probes_ask_open_ports(objects):
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        (container,) = pod(workload)[1]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            for kind in ("httpGet", "tcpSocket", "grpc"):
                asked = container.get(name, {}).get(kind, {}).get("port")
                assert asked is None or asked in ports or asked in ports.values(), f"{container['name']} {name}"


def test_programs_listen_on_their_ports(objects):
    for workload in of_kind(objects, "Deployment"):
        (container,) = pod(workload)[1]["containers"]
        listens = {value for name, value in env(container).items() if name.endswith("LISTEN")}
        assert listens == {f"0.0.0.0:{port['containerPort']}" for port in container["ports"]}


@pytest.mark.parametrize("program, setting", [("booking-svc", "TE_LISTEN"), ("ws-gateway", "TE_GATEWAY_LISTEN")])
def test_ports_are_the_programs_own(program, setting):
    source = (ROOT / program / "src/config/args.rs").read_text()
    (default,) = re.findall(rf'env = "{setting}", default_value = "127\.0\.0\.1:(\d+)"', source)
    assert env(main(render(), program))[setting] == f"0.0.0.0:{default}"


def service_ports(objects, name):
    found = [each for each in of_kind(objects, "Service") if each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} Services {name}"
    return {port["name"]: port["port"] for port in found[0]["spec"]["ports"]}


def test_the_gateway_finds_the_service(objects):
    for workload in of_kind(objects, "Deployment"):
        target = env(pod(workload)[1]["containers"][0]).get("TE_TARGETS")
        if target:
            name, port = re.fullmatch(r"https?://([\w-]+)\.sale\.svc:(\d+)", target).groups()
            assert int(port) in service_ports(objects, name).values()
            (service,) = [each for each in of_kind(objects, "Service") if each["metadata"]["name"] == name]
            assert service["spec"]["clusterIP"] == "None"


def test_routes_lead_to_services(objects):
    for route in of_kind(objects, "HTTPRoute", "GRPCRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert backend["port"] in service_ports(objects, backend["name"]).values()
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                assert service["port"]["name"] in service_ports(objects, service["name"])


def test_budgets_and_autoscalers_find_what_they_are_for(objects):
    for budget in of_kind(objects, "PodDisruptionBudget"):
        ports_behind(objects, budget["spec"]["selector"]["matchLabels"])
    deployments = {each["metadata"]["name"]: each for each in of_kind(objects, "Deployment")}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        # A fixed number would be set back at each upgrade.
        assert "replicas" not in deployments[scaler["spec"]["scaleTargetRef"]["name"]]["spec"]


def test_policies_name_pods_and_open_ports(objects):
    names = {labels["app.kubernetes.io/component"] for labels, _ in pods(objects)} | {"ws-gateway"}
    for policy in of_kind(objects, "NetworkPolicy"):
        ports = ports_behind(objects, policy["spec"]["podSelector"]["matchLabels"])
        for rule in policy["spec"]["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= set(ports.values()), policy["metadata"]["name"]
        for rule in policy["spec"]["ingress"] + policy["spec"]["egress"]:
            for peer in rule.get("from", []) + rule.get("to", []):
                own = peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component")
                assert own is None or own in names
        for rule in policy["spec"]["egress"]:
            for peer in rule.get("to", []):
                if peer.keys() != {"podSelector"}:  # Somebody else's.
                    continue
                behind = ports_behind(objects, peer["podSelector"]["matchLabels"])
                assert {port["port"] for port in rule["ports"]} <= set(behind.values())


def test_monitors_find_one_service_each(objects):
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        found = [each for each in of_kind(objects, "Service") if chosen(each["metadata"]["labels"], selector)]
        for endpoint in monitor["spec"]["endpoints"]:
            ports = [port for each in found for port in each["spec"]["ports"] if port["name"] == endpoint["port"]]
            assert len(ports) == 1, monitor["metadata"]["name"]
