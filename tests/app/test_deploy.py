"""The files in deploy/ fit what they are for, and a process that is started by them follows its files live."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry
from support import ROOT, real_kafka
from support.api_server import free_port
from support.deployed import (
    DEPLOY,
    KUBERNETES,
    UNITS,
    Place,
    Process,
    config_map,
    container,
    documents,
    host_links,
    image_links,
    instruction,
    instructions,
    resource,
    running,
    unit,
    with_values,
)
from support.faults.volumes import Volume
from support.kafka_worker import produce, read_all
from support.needed import lacking
from support.real_kafka import missing

from hotsettings.integrations.prometheus import SettingsCollector
from hotsettings.testing import live
from integr8scode.handlers import WORKERS
from integr8scode.settings import Settings

MANIFESTS = [KUBERNETES / name for name in ("api.yaml", "worker.yaml", "secret.example.yaml")]
SERVICES = ["integr8scode-api.service", "integr8scode-worker@.service"]
NEWEST = kubernetes_validate.latest_version()
SECRET = "a-secret-key-that-no-output-may-show"
QUIET = {"ENABLE_EVENT_STREAMING": False, "LOG_LEVEL": "WARNING"}


def secrets(number: int) -> str:
    return f'SECRET_KEY = "{SECRET}-{number}"\n'


class Site:
    """A place with the API server's command and ways to edit its two files."""

    def __init__(
        self, place: Place, command: list[str], config: Callable[[str], object], secret: Callable[[str], object]
    ) -> None:
        self.place = place
        self.command = command
        self._config = config
        self.secret = secret
        self._text = with_values((ROOT / "config.toml").read_text(encoding="utf-8"), QUIET)
        config(self._text)
        secret(secrets(0))

    def edit(self, **values: Any) -> None:
        self._text = with_values(self._text, values)
        self._config(self._text)


def kubernetes(folder: Path) -> Site:
    """The mounts are as the Deployment says, and updated as the kubelet does it."""
    place = Place(folder, image_links())
    spec = resource(KUBERNETES / "api.yaml", "Deployment")["spec"]["template"]["spec"]
    sources = {volume["name"]: next(kind for kind in volume if kind != "name") for volume in spec["volumes"]}
    (only,) = spec["containers"]
    volumes = {sources[mount["name"]]: Volume(place.at(mount["mountPath"])) for mount in only["volumeMounts"]}
    assert set(volumes) == {"configMap", "secret"}
    rest = config_map()

    def config(text: str) -> None:
        volumes["configMap"].publish({**rest, "config.toml": text})

    (name,) = resource(KUBERNETES / "secret.example.yaml", "Secret")["stringData"]
    return Site(place, only["command"], config, lambda text: volumes["secret"].publish({name: text}))


def compose(folder: Path) -> Site:
    """The mounts are as the service says; the host's files are renamed over, and written in place."""
    place = Place(folder, image_links())
    service = documents(DEPLOY / "compose.yaml")[0]["services"]["api"]
    targets = [place.at(mount["target"]) for mount in service["volumes"]]
    for target in targets:
        target.mkdir(parents=True)
    return Site(
        place,
        json.loads(instruction("CMD")),
        *(writer(target) for target, writer in zip(targets, WRITERS, strict=True)),
    )


def systemd(folder: Path) -> Site:
    place = Place(folder, host_links())
    folders = [place.at(path) for path in unit(SERVICES[0])["ReadOnlyPaths"].split()]
    for each in folders:
        each.mkdir(parents=True)
    command = shlex.split(unit(SERVICES[0])["ExecStart"])
    return Site(place, command, *(writer(each) for each, writer in zip(folders, WRITERS, strict=True)))


def renaming(folder: Path) -> Callable[[str], object]:
    def write(text: str) -> None:
        (folder / "new").write_text(text, encoding="utf-8")
        os.replace(folder / "new", folder / "config.toml")

    return write


def in_place(folder: Path) -> Callable[[str], object]:
    return (folder / "secrets.toml").write_text


WRITERS = (renaming, in_place)


def timeout(process: Process) -> Any:
    return process.get("/api/v1/k8s-limits")["execution_timeout"]


@pytest.mark.slow
@pytest.mark.parametrize("lay_out", [kubernetes, compose, systemd])
def test_edits_arrive_live(tmp_path: Path, lay_out: Callable[[Path], Site]) -> None:
    site = lay_out(tmp_path)
    with running(site.command, site.place.at("/app"), free_port()) as server:
        server.until(lambda: timeout(server) == 5)
        site.edit(K8S_POD_EXECUTION_TIMEOUT=7)
        server.until(lambda: timeout(server) == 7)
        site.secret(secrets(1))
        server.until(lambda: server.get("/health")["generation"] == 3)
        site.edit(K8S_POD_EXECUTION_TIMEOUT="soon")
        server.until(lambda: server.get("/health")["status"] == "degraded")  # and a status of 200, or get would raise
        assert timeout(server) == 7
        site.edit(K8S_POD_EXECUTION_TIMEOUT=9)
        server.until(lambda: timeout(server) == 9)
        assert server.get("/health")["status"] == "ok"
        assert "mount of a single file" not in server.output
        assert SECRET not in server.output
        assert server.end() == 0


@pytest.mark.slow
def test_a_worker_follows_its_volumes(tmp_path: Path, mock_kafka: str, unique: str) -> None:
    place = Place(tmp_path, image_links())
    files = config_map()
    volume, secret = Volume(place.at("/etc/app/config")), Volume(place.at("/etc/app/secrets"))
    values: dict[str, Any] = {"KAFKA_BOOTSTRAP_SERVERS": mock_kafka, "KAFKA_TOPIC_PREFIX": unique}
    values |= {"ENABLE_TRACING": False, "KAFKA_ENABLE_AUTO_COMMIT": False, "LOG_LEVEL": "INFO"}
    files["config.toml"] = with_values(files["config.toml"], values)
    volume.publish(files)
    secret.publish({"secrets.toml": secrets(0)})
    with running(container(KUBERNETES / "worker.yaml")["command"], place.at("/app")) as worker:
        worker.until(lambda: f"reading {unique}execution-events as execution-coordinator" in worker.output)
        files["config.toml"] = with_values(files["config.toml"], {"KAFKA_MAX_POLL_RECORDS": 7})
        volume.publish(files)
        worker.until(lambda: "generation 2 is live: KAFKA_MAX_POLL_RECORDS" in worker.output)
        files["config.coordinator.toml"] += "KAFKA_MAX_POLL_RECORDS = 8\n"
        volume.publish(files)
        worker.until(lambda: "generation 3 is live: KAFKA_MAX_POLL_RECORDS" in worker.output)
        assert worker.end() == 0
        assert SECRET not in worker.output


@pytest.mark.slow
def test_systemctl_reload_makes_it_look_now(tmp_path: Path) -> None:
    site = systemd(tmp_path)
    with running(site.command, site.place.at("/app"), free_port()) as server:
        server.until(lambda: timeout(server) == 5)
        command = unit(SERVICES[0])["ExecReload"]
        for value in (6, 7):
            site.edit(K8S_POD_EXECUTION_TIMEOUT=value)
            subprocess.run(command, shell=True, env={**os.environ, "MAINPID": str(server.process.pid)}, check=True)
            server.until(lambda value=value: timeout(server) == value)  # type: ignore[misc]
        assert server.end() == 0


def test_the_image_the_config_map_and_the_host_have_the_files_of_all_workers() -> None:
    links = {f"/app/{name}": f"/etc/app/config/{name}" for name in [f"config.{worker}.toml" for worker in WORKERS]}
    links |= {"/app/config.toml": "/etc/app/config/config.toml", "/app/secrets.toml": "/etc/app/secrets/secrets.toml"}
    assert image_links() == links
    assert host_links() == links
    assert {f"/app/{name}" for name in config_map()} == set(links) - {"/app/secrets.toml"}


def test_the_config_map_holds_the_committed_files_under_a_name_that_stays() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl")
    command = [kubectl, "kustomize", "--load-restrictor", "LoadRestrictionsNone", str(KUBERNETES)]
    built = list(yaml.safe_load_all(subprocess.run(command, capture_output=True, check=True).stdout))
    for document in built:
        kubernetes_validate.validate(document, NEWEST, strict=True)
    (made,) = (document for document in built if document["kind"] == "ConfigMap")
    assert made["data"]["config.toml"] == (ROOT / "config.toml").read_text(encoding="utf-8")
    assert made["data"] == config_map()
    for manifest in ("api.yaml", "worker.yaml"):
        config, secret = resource(KUBERNETES / manifest, "Deployment")["spec"]["template"]["spec"]["volumes"]
        assert config["configMap"]["name"] == made["metadata"]["name"] == "app-config"
        assert secret["secret"]["secretName"] == documents(KUBERNETES / "secret.example.yaml")[0]["metadata"]["name"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_takes(path: Path) -> None:
    for document in documents(path):
        for version in ("1.30", NEWEST):
            kubernetes_validate.validate(document, version, strict=True)


def test_a_manifest_with_a_misspelt_field_is_found() -> None:
    document = documents(KUBERNETES / "api.yaml")[0]
    document["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, NEWEST, strict=True)


@pytest.mark.parametrize("name", ["api.yaml", "worker.yaml"])
def test_volumes_are_mounted_whole_where_the_links_lead(name: str) -> None:
    mounts = container(KUBERNETES / name)["volumeMounts"]
    assert {mount["mountPath"] for mount in mounts} == {
        str(PurePosixPath(link).parent) for link in image_links().values()
    }
    assert not [mount for mount in mounts if "subPath" in mount or "subPathExpr" in mount]


def test_the_probes_and_the_service_ask_the_port_that_is_served() -> None:
    api = container(KUBERNETES / "api.yaml")
    (port,) = api["ports"]
    assert str(port["containerPort"]) == api["command"][api["command"].index("--port") + 1]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert api[probe]["httpGet"] == {"path": "/health", "port": port["name"]}
    (served,) = resource(KUBERNETES / "api.yaml", "Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    assert instruction("EXPOSE") == "8000"


def test_the_template_of_the_secret_has_no_real_values_and_fits_the_settings(tmp_path: Path) -> None:
    (text,) = resource(KUBERNETES / "secret.example.yaml", "Secret")["stringData"].values()
    values = tomllib.loads(text)
    assert values.keys() == tomllib.loads((ROOT / "secrets.example.toml").read_text(encoding="utf-8")).keys()
    assert all("CHANGE-ME" in value for value in values.values())
    (tmp_path / "secrets.toml").write_text(text, encoding="utf-8")
    assert values["SECRET_KEY"] == Settings(ROOT / "config.toml", secrets_path=tmp_path / "secrets.toml").SECRET_KEY
    assert not list(DEPLOY.rglob("secrets.toml"))


def fits(path: Path, schema: str) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "schema", "word"),
    [
        ("deploy/compose.yaml", "compose-spec", "healthcheck:"),
        ("deploy/ci/settings.yaml", "github-workflows", "runs-on:"),
        (".github/ISSUE_TEMPLATE/bug.yml", "github-issue-forms", "body:"),
        (".github/ISSUE_TEMPLATE/feature.yml", "github-issue-forms", "body:"),
        (".github/ISSUE_TEMPLATE/config.yml", "github-issue-config", "blank_issues_enabled:"),
    ],
)
def test_files_fit_their_specifications(tmp_path: Path, file: str, schema: str, word: str) -> None:
    assert fits(ROOT / file, schema)
    text = (ROOT / file).read_text(encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(text.replace(word, f"x{word}"), encoding="utf-8")
    assert not fits(tmp_path / "wrong.yaml", schema)


def test_compose_mounts_folders_where_the_links_lead() -> None:
    services = documents(DEPLOY / "compose.yaml")[0]["services"]
    assert set(services) == {"kafka", "api", "coordinator"}
    for name in ("api", "coordinator"):
        mounts = services[name]["volumes"]
        targets = {mount["target"] for mount in mounts}
        assert targets == {str(PurePosixPath(link).parent) for link in image_links().values()}
        for mount in mounts:
            default = re.fullmatch(r"\$\{[A-Z]+_FOLDER:-(.+)\}", mount["source"])
            assert default is not None
            assert (DEPLOY / default[1]).is_dir()
    kafka = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert kafka.endswith(f"//{Settings.from_values(SECRET_KEY=SECRET).KAFKA_BOOTSTRAP_SERVERS}")


@pytest.mark.slow
@pytest.mark.kafka
def test_the_broker_of_compose_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka itself with what the service has in its environment, which the image writes into its properties."""
    if reason := missing():
        lacking(reason)
    service = documents(DEPLOY / "compose.yaml")[0]["services"]["kafka"]
    assert service["image"].rpartition(":")[2] in (ROOT / ".ci" / "kafka").read_text(encoding="utf-8")
    here = {"kafka:29092": "127.0.0.1:{broker}", "//:29092": "//127.0.0.1:{broker}"}
    here |= {"kafka:9093": "127.0.0.1:{controller}", "//:9093": "//127.0.0.1:{controller}"}
    properties = "log.dirs={folder}/log\n"
    for name, value in service["environment"].items():
        for outside, inside in here.items():
            value = value.replace(outside, inside)
        properties += f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}\n"
    assert "9092" not in properties
    assert "9093" not in properties
    monkeypatch.setattr(real_kafka, "PROPERTIES", properties)
    with real_kafka.own_kafka(tmp_path) as broker:
        anyio.run(produce, broker.servers, "execution-events", [b"one"])
        assert len(anyio.run(read_all, broker.servers, "execution-events", 1)) == 1


def test_the_image_is_made_of_what_there_is() -> None:
    copied = [line.split()[1:-1] for line in instructions() if line.startswith("COPY ")]
    sources = [source for sources in copied for source in sources]
    assert all((ROOT / source).exists() for source in sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


@pytest.mark.anyio
async def test_the_alerts_ask_what_is_told() -> None:
    (group,) = documents(DEPLOY / "prometheus" / "rules.yaml")[0]["groups"]
    asked = {name for rule in group["rules"] for name in re.findall(r"\bhotsettings_\w+", rule["expr"])}
    registry = CollectorRegistry()
    async with live(Settings.from_values(SECRET_KEY=SECRET)) as held:
        registry.register(SettingsCollector(held))
        assert asked <= {sample.name for metric in registry.collect() for sample in metric.samples}
    assert len(asked) == 3


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_systemd_takes_the_units(tmp_path: Path, service: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        lacking("there is no systemd-analyze")
    text = (UNITS / service).read_text(encoding="utf-8")
    here = tmp_path / service
    here.write_text(text.replace("/opt/integr8scode/bin/python", sys.executable), encoding="utf-8")
    done = subprocess.run([analyze, "verify", str(here)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # On a scale from 0 to 100; a service that is not confined has 96.
    command = [analyze, "security", "--offline=true", "--threshold=20", str(here)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_matters_in_the_units(service: str) -> None:
    said = unit(service)
    assert said["Type"] == "exec"
    assert said["ExecReload"] == "kill -HUP $MAINPID"
    assert said["WorkingDirectory"] == "/app"
    assert said["User"] == "integr8scode"
    assert said["ReadOnlyPaths"].split() == ["/etc/app/config", "/etc/app/secrets"]
    # A file that is named would be mounted by itself.
    paths = [value for key, value in said.items() if key.endswith(("Paths", "BindPaths")) or "Credential" in key]
    assert not [path for path in paths if ".toml" in path]


def test_the_template_unit_starts_every_worker() -> None:
    command = shlex.split(unit(SERVICES[1])["ExecStart"])
    assert command[-3:] == ["-m", "integr8scode.worker", "%i"]
