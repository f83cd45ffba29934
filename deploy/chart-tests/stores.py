"""The bundled stores as processes, by the scripts and settings that the chart gives them."""

import os
import pwd
import shutil
import subprocess

from conftest import main
from processes import PG_BIN, Pods


class Stores(Pods):
    def start_redis(self):
        home = self.home / "redis"
        self.config("redis", home / "etc")
        for folder in ("run", "data"):
            (home / folder).mkdir()
        places = {
            "/etc/redis": home / "etc",
            "/run/redis": home / "run",
            "dir /data": f"dir {home / 'data'}",
            "port 6379": f"bind 127.0.0.1\nport {self.ports[6379]}",
        }
        for file in (home / "etc").iterdir():
            text = file.read_text()
            for inside, outside in places.items():
                text = text.replace(inside, str(outside))
            file.write_text(text)
        self.start("redis", ["sh", home / "etc/start.sh"], self.environment(main(self.objects, "redis")))

    def redis(self, *words, user, password):
        command = ["redis-cli", "-p", str(self.ports[6379]), "--user", user, "--no-auth-warning", "--pass", password]
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.strip()

    def start_postgresql(self):
        home, container = self.home / "postgresql", main(self.objects, "postgresql")
        self.config("postgresql", home / "etc")
        self.as_postgres = {"cwd": home}
        user = pwd.getpwuid(os.geteuid())
        if os.geteuid() == 0:  # PostgreSQL does not run as root.
            user = pwd.getpwnam("postgres")
            self.as_postgres.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
        shutil.chown(home, user.pw_uid, user.pw_gid)
        environment = self.environment(container)
        (home / "password").write_text(environment["POSTGRES_PASSWORD"])
        options = environment["POSTGRES_INITDB_ARGS"].split()
        if user.pw_name != "postgres":  # Who has another name here is not the superuser at the socket.
            options = [word.replace("--auth-local=peer", "--auth-local=trust") for word in options]
        command = [PG_BIN / "initdb", "-D", home / "data", "--username=postgres", f"--pwfile={home / 'password'}"]
        subprocess.run([*command, *options], check=True, timeout=60, **self.as_postgres)
        command = [PG_BIN / "postgres", "-D", home / "data", *container["args"]]
        for place in (f"port={self.ports[5432]}", "listen_addresses=127.0.0.1", f"unix_socket_directories={home}"):
            command += ["-c", place]
        self.start("postgresql", command, environment, **self.as_postgres)

    def roles(self, **changed):
        """The hook after the start of PostgreSQL."""
        home, container = self.home / "postgresql", main(self.objects, "postgresql")
        places = {"PGHOST": str(home), "PGPORT": str(self.ports[5432])}
        hook = container["lifecycle"]["postStart"]["exec"]["command"]
        command = [word.replace("/etc/postgresql", str(home / "etc")) for word in hook]
        environment = {**self.environment(container), **places, **changed}
        subprocess.run(command, env=environment, check=True, timeout=60, **self.as_postgres)

    def psql(self, url, sql):
        command = [PG_BIN / "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", url, "--command", sql]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
