"""Containers of the chart as processes on this machine: by their commands and environment, on loopback."""

import base64
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from conftest import chosen, containers, env, main, of_kind, one, pod, render

PROGRAMS, PG_BIN = pathlib.Path(os.environ["TE_PROGRAMS"]), pathlib.Path(os.environ["TE_PG_BIN"])
REDIS_SERVER = pathlib.Path(os.environ["TE_REDIS_SERVER"])


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(question, seconds=30):
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited {seconds} s"
        time.sleep(0.1)
    return answer


def get(url):
    """Status and body; None where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None


def services(objects):
    """(name, port) of each Service, and the port of the container behind it."""
    workloads = of_kind(objects, "Deployment", "StatefulSet")
    for service in of_kind(objects, "Service"):
        (behind,) = [each for each in workloads if chosen(pod(each)[0], service["spec"]["selector"])]
        ports = {port["name"]: port["containerPort"] for port in containers(behind)[-1]["ports"]}
        for port in service["spec"]["ports"]:
            yield (service["metadata"]["name"], port["port"]), ports[port["targetPort"]]


class Pods:
    def __init__(self):
        self.objects = render("demo")
        self.services = dict(services(self.objects))
        inside = sorted(set(self.services.values()))
        self.ports = dict(zip(inside, free_ports(len(inside))))
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="ticketengine-chart-"))
        self.home.chmod(0o755)
        self.running = {}

    def here(self, text):
        """Names and ports of the cluster, as they are on this machine."""
        return re.sub(r"([\w.-]+):(\d+)", self.address, text)

    def address(self, match):
        name, port = match[1].removesuffix(".sale.svc"), int(match[2])
        inside = port if name == "0.0.0.0" else self.services.get((name, port))
        return f"127.0.0.1:{self.ports[inside]}" if inside else match[0]

    def secret(self, name, key):
        return self.here(base64.b64decode(one(self.objects, "Secret", name)["data"][key]).decode())

    def environment(self, container):
        own = {}
        for name, value in env(container).items():
            reference = value["secretKeyRef"] if isinstance(value, dict) else None
            own[name] = self.secret(reference["name"], reference["key"]) if reference else self.here(value)
        return {"PATH": f"{REDIS_SERVER.parent}:{PG_BIN}:{os.environ['PATH']}", **own}

    def config(self, name, folder):
        """The files of a ConfigMap."""
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in one(self.objects, "ConfigMap", f"tickets-ticketengine-{name}")["data"].items():
            (folder / file).write_text(text)

    def start(self, name, command, environment, **options):
        """In the background; pytest shows what it says where a test fails."""
        self.running[name] = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, **options
        )

    def command(self, container):
        program = PROGRAMS / container["image"].rpartition("/")[2].partition(":")[0]
        return [program, *(word.replace("/etc/ticketengine", str(self.home)) for word in container.get("args", []))]

    def run(self, workload, name):
        """One container to its end."""
        (container,) = [each for each in containers(workload) if each["name"] == name]
        subprocess.run(self.command(container), env=self.environment(container), timeout=60, check=True)

    def serve(self, name):
        container = main(self.objects, name)
        self.start(name, self.command(container), self.environment(container))

    def probe(self, name, kind):
        """Asks as Kubernetes does."""
        container = main(self.objects, name)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        asked = container[kind]["httpGet"]
        return get(f"http://127.0.0.1:{self.ports[ports[asked['port']]]}{asked['path']}")

    def stop(self, name):
        """Sends SIGTERM; the status and how long it took."""
        begin = time.monotonic()
        self.running[name].send_signal(signal.SIGTERM)
        return self.running.pop(name).wait(timeout=60), time.monotonic() - begin

    def close(self):
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGINT)
        for process in self.running.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.home)
