"""Rules of ours that a compose file may break while Compose itself is content.

    docker-compose -f … config --format json | python3 compose_rules.py NAME [PUBLIC …]        (in deploy/)

NAME stands in the messages; PUBLIC services may publish ports beyond loopback. One line for each mistake; exit code 1 if there is any.
"""

import glob
import json
import os
import re
import sys

# They run once and end; everything else is started again.
ONCE = {"topics", "migrate"}
# Seconds that docs/deploy.md promises a stop.
STOPS = {"produce": 40, "process": 90, "sink": 180}
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY|WEBHOOK_URL)$")


def seconds(text):
    """`1m30s` as a number."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text or ""))


def is_ours(service):
    return re.match(r"(.*/)?tape:", service.get("image", "")) is not None


def common(name, service):
    """What every container must have."""
    tag = service.get("image", "").rsplit("/", 1)[-1].partition(":")[2]
    if not tag or tag == "latest":
        yield f"image {service.get('image')!r} has no version"
    if not service.get("deploy", {}).get("resources", {}).get("limits", {}).get("memory"):
        yield "no limit of memory"
    log = service.get("logging", {})
    if log.get("driver") != "json-file" or not {"max-size", "max-file"} <= set(log.get("options", {})):
        yield "its log is not rotated"
    restart = service.get("restart", "no")
    if name in ONCE and restart != "no":
        yield f"restart is {restart!r}: it runs once"
    if name not in ONCE and restart not in ("always", "unless-stopped"):
        yield f"restart is {restart!r}: it stays down after the machine's next start"
    if not service.get("healthcheck") and not is_ours(service):
        yield "no health check"
    for key, value in (service.get("environment") or {}).items():
        if SECRET.search(key) and value:
            yield f"{key} holds a secret: name a file"


def ours(name, service):
    """What every container of tape must have besides."""
    if not service.get("read_only"):
        yield "its root can be written to"
    if service.get("cap_drop") != ["ALL"]:
        yield "it keeps capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "it may gain privileges"
    if name in STOPS and seconds(service.get("stop_grace_period")) < STOPS[name]:
        yield f"a stop has {service.get('stop_grace_period')}, and may take {STOPS[name]} s"
    waits = service.get("depends_on", {})
    if name not in ONCE and not any(waits.get(once, {}).get("condition") == "service_completed_successfully" for once in ONCE):
        yield "it does not wait for topics or migrate to have ended well"


def mounts(service):
    for volume in service.get("volumes", []):
        source = volume.get("source", "")
        if volume.get("type") != "bind":
            continue
        if not volume.get("read_only"):
            yield f"{source} can be written to"
        # Compose would make a folder of that name.
        if not os.path.exists(source) and not os.environ.get("ABSENT", "\0") in source:
            yield f"{source} does not exist"


def ports(name, service, public):
    for port in service.get("ports", []):
        if port.get("host_ip") != "127.0.0.1" and name not in public:
            yield f"port {port.get('published')} is open beyond this machine"


def grafana(service):
    """What the files of grafana/provisioning take from the environment is there: a missing one would be an empty text."""
    given = set(service.get("environment") or {}) | set(re.findall(r"([A-Z_]+)=", " ".join(service.get("entrypoint") or [])))
    for path in sorted(glob.glob("../grafana/provisioning/*/*.yaml")):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if not line.lstrip().startswith("#")]
        for name in sorted(set(re.findall(r"\$\{([A-Z_]+)\}", "".join(lines))) - given):
            yield f"{path} wants {name}"


def prometheus(services):
    """Whom Prometheus asks is a service that listens there."""
    with open("compose/prometheus.yml", encoding="utf-8") as file:
        targets = re.findall(r"targets: \[([a-z]+):(\d+)\]", file.read())
    asked = {name for name, _ in targets}
    for name, port in targets:
        binds = {key: value for key, value in (services.get(name, {}).get("environment") or {}).items() if key.startswith("HTTP_BIND_")}
        if name != "alertmanager" and list(binds.values()) != [f"0.0.0.0:{port}"]:
            yield f"prometheus asks {name}:{port}, and that listens at {binds or 'nothing'}"
    for name in sorted(set(STOPS) - asked):
        yield f"prometheus does not ask {name}"


def mistakes(project, public):
    for name, service in sorted(project["services"].items()):
        found = [*common(name, service), *mounts(service), *ports(name, service, public)]
        if is_ours(service):
            found += ours(name, service)
        yield from (f"{name}: {mistake}" for mistake in found)
    yield from (f"grafana: {mistake}" for mistake in grafana(project["services"]["grafana"]))
    yield from prometheus(project["services"])
    used = {secret["source"] for service in project["services"].values() for secret in service.get("secrets", [])}
    for secret in sorted(set(project.get("secrets", {})) - used):
        yield f"secret {secret} is used by nobody"


def main():
    name, public = sys.argv[1], set(sys.argv[2:])
    found = list(mistakes(json.load(sys.stdin), public))
    for mistake in found:
        print(f"{name}: {mistake}", file=sys.stderr)
    sys.exit(1 if found else 0)


main()
