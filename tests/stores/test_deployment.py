"""The container file and the Kubernetes example agree with the code, and ask for no more than they need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from switchpoint.config.management import ManagementSection
from switchpoint.config.read import load
from switchpoint.config.schema import Config
from switchpoint.config.serving import GatewaySection
from switchpoint.config.stores import StoresSection
from switchpoint.gateway.app import paths
from switchpoint.records.spool import FINISH_S

yaml = pytest.importorskip("yaml", reason="PyYAML, which comes with huggingface-hub, is not installed")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
PORTS = {"http": GatewaySection().port, "management": ManagementSection().port}
FILES = sorted(FOLDER.glob("*.yaml"))


def manifest(name: str) -> Any:
    (found,) = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return found


@pytest.fixture
def pod() -> Any:
    return manifest("deployment")["spec"]["template"]["spec"]


@pytest.fixture
def container(pod: Any) -> Any:
    (only,) = pod["containers"]
    return only


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The configuration of the example, read as the gateway reads it, with the secret in the environment."""
    for name, value in manifest("secret.example")["stringData"].items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "switchpoint.toml"
    path.write_text(manifest("configmap")["data"]["switchpoint.toml"])
    return load(path)


# --- the manifests


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_one_object_of_a_known_kind(path: Path):
    (found,) = yaml.safe_load_all(path.read_text("utf-8"))

    assert {"apiVersion", "kind"} <= set(found)
    assert found["kind"] == "Kustomization" or found["metadata"]["name"] == "switchpoint"


def test_all_but_the_secret_is_applied_together():
    rest = {path.name for path in FILES} - {"kustomization.yaml", "secret.example.yaml"}

    assert set(manifest("kustomization")["resources"]) == rest


def test_everything_selects_the_pods_of_the_deployment():
    deployment = manifest("deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert manifest("service")["spec"]["selector"] == labels
    assert manifest("disruption-budget")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("network-policy")["spec"]["podSelector"]["matchLabels"] == labels
    assert manifest("autoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_ports_are_those_of_the_code(container: Any, config: Config):
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == PORTS
    assert {"http": config.gateway.port, "management": config.management.port} == PORTS


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_ask_for_paths_that_the_gateway_serves_to_everybody(container: Any, probe: str):
    asked = container[probe]["httpGet"]

    assert asked["port"] == "http"
    assert (asked["path"], "public") in {(path.path, path.permission.value) for path in paths(0)}


def test_a_pod_has_time_to_drain_and_to_write_its_records_before_it_is_killed(pod: Any, config: Config):
    assert config.gateway.linger_s > 0
    assert pod["terminationGracePeriodSeconds"] > config.gateway.linger_s + config.gateway.grace_s + FINISH_S


def test_every_variable_that_the_configuration_names_is_in_the_secret():
    names = set(manifest("secret.example")["stringData"])
    toml = manifest("configmap")["data"]["switchpoint.toml"]

    assert set(re.findall(r'_env = "(\w+)"', toml)) <= names
    assert {StoresSection().database_url_env, StoresSection().redis_url_env} <= names


def test_the_example_secret_holds_none():
    values = manifest("secret.example")["stringData"].values()

    assert all("REPLACE-ME" in value for value in values)


def test_the_pod_may_do_nothing_that_it_need_not(pod: Any, container: Any):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_is_written_is_on_a_volume(container: Any, config: Config):
    mounts = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}

    assert str(config.records.path.parent) in mounts
    assert re.findall(r"^(?:VOLUME|WORKDIR) (/var\S*)$", CONTAINERFILE, re.MULTILINE) == ["/var/lib/switchpoint"] * 2


def test_only_the_monitoring_reaches_the_management_port():
    policy = manifest("network-policy")["spec"]
    rules = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["ingress"]}
    (source,) = rules["management"]

    assert rules["http"] is None
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert [port["targetPort"] for port in manifest("service")["spec"]["ports"]] == ["http"]


def test_keys_are_demanded_where_others_reach_the_gateway(config: Config):
    assert config.gateway.host == "0.0.0.0"
    assert config.access.required
    assert config.management.token_env is not None


# --- the image


def test_the_image_is_built_from_files_that_exist():
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", CONTAINERFILE, re.MULTILINE)

    assert copied
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []


def test_every_package_of_the_image_is_locked_by_hash():
    installs = re.findall(r"pip install (.*)$", CONTAINERFILE, re.MULTILINE)

    assert installs
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []


def test_the_image_runs_as_the_user_of_the_pod_and_serves_what_the_pod_asks_for(pod: Any, container: Any):
    user = pod["securityContext"]["runAsUser"]

    assert f"\nUSER {user}:{user}\n" in CONTAINERFILE
    assert f"useradd --uid {user} " in CONTAINERFILE
    assert f"\nEXPOSE {PORTS['http']}\n" in CONTAINERFILE
    assert f"127.0.0.1:{PORTS['http']}{container['livenessProbe']['httpGet']['path']}" in CONTAINERFILE
    assert re.findall(r'"([^"]+)"', CONTAINERFILE.split("\nCMD ")[1]) == container["args"]
