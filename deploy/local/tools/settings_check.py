"""Is every setting that this repository gives to tape, or tells its users of, one that tape knows, with a value that it takes?

    settings_check.py TAPE ROOT COMPOSE [FILE …]        (called by settings-check.sh)

TAPE is the program and the judge. What is looked at:
- `tape config --json` against the tables of docs/configuration.md, both ways;
- the whole environment of each container of tape in COMPOSE, a folder of rendered projects (`docker-compose config --format json`);
- the whole environment of each systemd unit, with tape.env.example, and that file with its comments taken away;
- in docs and README every NAME_WITH_UNDERSCORE of a code span or block, and every NAME=value of one;
- FILE: *.env and *.conf as environment files, *.yaml as Kubernetes manifests (containers' `env` and the data of ConfigMaps), *.md as docs.
"""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile

# Names in docs that belong to others, or to the machine around tape.
OTHERS = re.compile(
    r"^(COMPOSE|GF|GRAFANA|CARGO|XDG|TS_TUNE|POSTGRES|SPARK|MP|TIMESCALEDB)_|^(STATE_DIRECTORY|TAPE_CONFIG|NAME_FILE|PROMETHEUS_URL"
    r"|PRODUCE_OPTIONS|LOCAL_CACHE|LOCAL_SERVERS|READY_LIMIT|TZ)$"
)
NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
GIVEN = re.compile(r"\b([A-Z][A-Z0-9_]+)=([A-Za-z0-9.:,*/_-]+)")
mistakes = []


def mistake(where, text):
    mistakes.append(f"{where}: {text}")


class Tape:
    """The program, and what docs/configuration.md says of its settings."""

    def __init__(self, program, root):
        self.program = program
        self.secret_file = tempfile.NamedTemporaryFile("w", suffix=".secret")
        self.secret_file.write("secret\n")
        self.secret_file.flush()
        listed = self.run({})
        self.names = {setting["name"] for setting in json.loads(listed.stdout)}
        text = read(f"{root}/docs/configuration.md")
        rows = re.findall(r"^\| `([A-Z0-9_]+)`([^|]*)\|(.*)$", text, re.M)
        self.documented = {name for name, _, _ in rows}
        self.secrets = {name for name, _, rest in rows if "**Secret.**" in rest}
        aliases = {alias for _, also, _ in rows for alias in re.findall(r"`([A-Z0-9_]+)`", also)}
        self.ignored = {name for name in self.documented if name.startswith("SPARK_")}
        self.known = self.names | aliases | self.ignored | {f"{name}_FILE" for name in self.secrets}

    def run(self, environment):
        # The judge sees these settings and nothing of ours.
        return subprocess.run(
            [self.program, "config", "--json"], env={"HOME": "/nonexistent", **environment}, capture_output=True, text=True, check=False
        )

    def judge(self, where, environment):
        """The whole environment of one process, as tape itself sees it: mistakes and warnings are ours."""
        given = {
            name: self.secret_file.name if name.endswith("_FILE") and name[:-5] in self.secrets else value
            for name, value in environment.items()
        }
        answer = self.run(given)
        for line in answer.stderr.splitlines():
            mistake(where, line)
        for name in environment:
            if NAME.match(name) and name not in self.known and not OTHERS.match(name):
                mistake(where, f"{name} is no setting of tape")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def env_file(text):
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith(("#", ";")))


def uncommented(text):
    return re.sub(r"^#(?=[A-Z][A-Z0-9_]*=)", "", text, flags=re.M)


def check_reference(tape):
    for name in sorted(tape.names - tape.documented):
        mistake("docs/configuration.md", f"{name} is missing")
    for name in sorted(tape.documented - tape.names - tape.ignored):
        mistake("docs/configuration.md", f"{name} is no setting of tape")


def check_compose(tape, folder):
    count = 0
    for path in sorted(glob.glob(f"{folder}/*.json")):
        project = json.loads(read(path))
        for name, service in project["services"].items():
            if re.match(r"(.*/)?tape:", service["image"]):
                tape.judge(f"{os.path.basename(path)[:-5]}: {name}", service.get("environment") or {})
                count += 1
    return count


def check_units(tape, root):
    count = 0
    common = env_file(read(f"{root}/deploy/tape.env.example"))
    for path in sorted(glob.glob(f"{root}/deploy/systemd/*.service")):
        given = re.findall(r'^Environment="?([A-Z0-9_]+)=([^"\n]*)"?$', read(path), re.M)
        tape.judge(os.path.relpath(path, root), {**common, **dict(given)})
        # Examples in its comments.
        check_words(tape, os.path.relpath(path, root), re.findall(r"^#.*$", read(path), re.M))
        count += 1
    return count


def check_words(tape, where, pieces):
    for piece in pieces:
        for name in NAME.findall(piece):
            if name not in tape.known and not OTHERS.match(name) and name not in tape.compose:
                mistake(where, f"{name} is no setting of tape, and not in the list of what belongs to others")
        for name, value in GIVEN.findall(piece):
            if name in tape.names and not re.fullmatch(r"[A-Z_]+|.*\.\.\.", value):
                tape.judge(f"{where}: {name}={value}", {name: value.rstrip(".,:")})


def check_docs(tape, path, root):
    text = read(path)
    where = os.path.relpath(path, root)
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.M | re.S) + re.findall(r"^ {4,}.*$", text, re.M)
    check_words(tape, where, re.findall(r"`([^`\n]+)`", text) + blocks)


def check_manifest(tape, path, root):
    """Without a parser of YAML: names under `env:` of a container, and keys of a ConfigMap that are spelt as settings are."""
    text = read(path)
    where = os.path.relpath(path, root)
    names = re.findall(r"^\s*-\s*(?:\{\s*)?name:\s*\"?([A-Z][A-Z0-9_]+)\"?", text, re.M) + re.findall(r"^\s+([A-Z][A-Z0-9_]+):\s", text, re.M)
    for name in sorted(set(names)):
        if name not in tape.known and not OTHERS.match(name):
            mistake(where, f"{name} is no setting of tape")


def check_file(tape, path, root):
    if path.endswith((".yaml", ".yml")):
        check_manifest(tape, path, root)
    elif path.endswith(".md"):
        check_docs(tape, path, root)
    else:
        tape.judge(os.path.relpath(path, root), env_file(read(path)))


def main():
    program, root, compose, *further = sys.argv[1:]
    tape = Tape(program, root)
    # Names that compose itself reads.
    tape.compose = set(env_file(uncommented(read(f"{root}/deploy/compose.env.example"))))
    check_reference(tape)
    environments = check_compose(tape, compose) + check_units(tape, root)
    example = read(f"{root}/deploy/tape.env.example")
    tape.judge("deploy/tape.env.example", env_file(example))
    tape.judge("deploy/tape.env.example, all of it", env_file(uncommented(example)))
    docs = [f"{root}/{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")]
    docs += sorted(glob.glob(f"{root}/docs/**/*.md", recursive=True))
    for path in docs:
        check_docs(tape, path, root)
    for path in further:
        check_file(tape, path, root)
    for line in dict.fromkeys(mistakes):
        print(f"error: {line}", file=sys.stderr)
    if mistakes:
        sys.exit(1)
    print(
        f"Settings: {len(tape.names)} are documented; {environments + 2} environments and {len(docs) + len(further)} files name none that "
        "tape does not know",
        file=sys.stderr,
    )


main()
