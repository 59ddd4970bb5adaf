"""The image, the compose file, the manifests, the chart and the workflow.

No daemon, cluster or GitHub runs them here. Linters read them, Helm's own library renders the chart, and the gateway is
started with the policy and the variables that a container would get.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from server import TIMEOUT

helm_python = pytest.importorskip("helm_python", reason="Helm's library is on PyPI for x86-64 only")
manifests = pytest.importorskip("manifests")

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
CHART = PACKAGING / "helm"
WORKFLOW = ROOT / ".github/workflows/release.yml"
COMPOSE = PACKAGING / "docker/compose.yaml"
DOCKERFILE = PACKAGING / "docker/Dockerfile"
# The oldest Kubernetes that the chart allows, and the newest whose schemas are known.
KUBERNETES = ["1.30", kubernetes_validate.latest_version()]
DRAIN = 30  # seconds: the default of gateway.drain_timeout
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
INGRESS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
EVERY_VALUE = {
    "replicas": 3,
    "image": {"repository": "registry.example/sluicegate", "tag": "edge", "pullPolicy": "Always"},
    "secretName": "sluicegate",
    "filesSecretName": "sluicegate-files",
    "service": {"type": "LoadBalancer", "port": 8080, "annotations": {"example/internal": "true"}},
    "decisions": {"enabled": True, "port": 9000, "from": [INGRESS]},
    "podDisruptionBudget": {"maxUnavailable": "50%"},
    "networkPolicy": {"enabled": True, "adminFrom": [PROMETHEUS]},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}


def test_every_yaml_is_well_formed():
    files = [*PACKAGING.glob("**/*.yaml"), *ROOT.glob(".github/**/*.yml")]
    plain = [file for file in files if "templates" not in file.parts]
    lint("yamllint", "--strict", "--config-file", PACKAGING / "tests/.yamllint", *plain)


def test_the_scripts_pass_shellcheck():
    lint("shellcheck", PACKAGING / "build/packages", *(PACKAGING / "debian").glob("p*"))


def test_the_image_is_built_by_the_release_of_rust_that_everything_is_tested_with():
    lint("hadolint", DOCKERFILE)
    [channel] = re.findall(r'^channel = "(.*)"', (ROOT / "rust-toolchain.toml").read_text(), re.MULTILINE)
    assert f"FROM rust:{channel.rpartition('.')[0]}-slim-bookworm AS build" in DOCKERFILE.read_text()


def test_the_image_has_no_root_and_no_shell():
    *_, last = DOCKERFILE.read_text().split("\nFROM ")
    assert last.startswith("gcr.io/distroless/") and "\nUSER 65532:65532\n" in last and "RUN" not in last


def test_the_compose_file_gives_the_gateway_a_good_policy(gateway_binary):
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    service = yaml.safe_load(COMPOSE.read_text())["services"]["gateway"]
    [policies] = [volume.split(":")[0] for volume in service["volumes"]]
    policy = (COMPOSE.parent / policies / "sluicegate.toml").resolve()

    check(gateway_binary, policy, service["environment"])
    assert service["read_only"] and service["cap_drop"] == ["ALL"]


def test_only_the_gateway_of_the_compose_file_can_be_reached_from_other_machines():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    ports = {name: service.get("ports", []) for name, service in services.items()}
    assert ports == {"gateway": ["8080:8080", "127.0.0.1:9090:9090"], "redis": [], "model": []}


def test_helm_finds_no_fault_with_the_chart(version):
    linted = helm_python.lint(CHART, strict=True)
    assert not linted["errors"], linted
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert [chart["version"], chart["appVersion"]] == [version, version], "Chart.yaml has another version than Cargo.toml"


@pytest.mark.parametrize("values", [{}, EVERY_VALUE], ids=["defaults", "every value"])
@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_kubernetes_knows_every_field_that_the_chart_renders(values, kubernetes):
    documents = render(values)
    for document in documents.values():
        kubernetes_validate.validate(document, kubernetes, strict=True)
    assert set(documents) == {"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}


def test_the_manifests_are_the_chart_with_its_defaults():
    printed = lint(sys.executable, PACKAGING / "build/manifests.py")
    assert printed == (PACKAGING / "kubernetes/sluicegate.yaml").read_text(), "run packaging/build/manifests.py"


@pytest.mark.parametrize("values", [{}, EVERY_VALUE], ids=["defaults", "every value"])
def test_the_gateway_of_a_pod_serves(values, start, gateway_binary, tmp_path):
    documents = render(values)
    [container] = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    policy = documents["ConfigMap"]["data"]["sluicegate.toml"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    file = tmp_path / "sluicegate.toml"
    file.write_text(policy)

    check(gateway_binary, file, environment)
    addresses = ("SLUICEGATE_GATEWAY__LISTEN", "SLUICEGATE_GATEWAY__ADMIN")
    others = (*addresses, "SLUICEGATE_DECISIONS__LISTEN")
    gateway = start(gateway_binary, policy, {name: value for name, value in environment.items() if name not in others})
    assert [environment[name].split(":")[1] for name in addresses] == ["8080", "9090"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert gateway.answers(gateway.admin_url + container[probe]["httpGet"]["path"])
    with gateway.client() as client:
        chat = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        assert client.post("/v1/chat/completions", json=chat).status_code == 200


@pytest.mark.parametrize("values", [{}, EVERY_VALUE], ids=["defaults", "every value"])
def test_a_pod_that_ends_has_the_time_to_drain(values):
    pod = render(values)["Deployment"]["spec"]["template"]["spec"]
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep + DRAIN


def test_the_admin_port_is_open_to_those_alone_whom_the_values_name():
    default, every = render({}), render(EVERY_VALUE)
    assert [port["targetPort"] for port in default["Service"]["spec"]["ports"]] == ["http"]
    assert default["NetworkPolicy"]["spec"]["ingress"] == [{"ports": [{"port": "http"}]}]
    assert every["NetworkPolicy"]["spec"]["ingress"][-1] == {"from": [PROMETHEUS], "ports": [{"port": "admin"}]}


def test_proxies_reach_the_decision_server_if_the_values_say_so():
    every = render(EVERY_VALUE)
    [_, decisions] = every["Service"]["spec"]["ports"]
    assert (decisions["port"], decisions["targetPort"]) == (9000, "decisions")
    assert every["NetworkPolicy"]["spec"]["ingress"][1] == {"from": [INGRESS], "ports": [{"port": "decisions"}]}
    anybody = render({"decisions": {"enabled": True}})
    assert anybody["NetworkPolicy"]["spec"]["ingress"][1] == {"ports": [{"port": "decisions"}]}


def test_a_value_that_the_chart_does_not_know_is_an_error():
    for values in ({"replica": 2}, {"replicas": 0}, {"image": {"name": "sluicegate"}}):
        with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmError):
            chart.validate_schema(values)


def test_gateways_that_each_count_alone_are_warned_of():
    def notes(values):
        with helm_python.Chart.load(CHART) as chart:
            return chart.render(values, name="sluicegate")["sluicegate/templates/NOTES.txt"]

    assert "each count alone" in notes({"replicas": 2})
    assert "each count alone" not in notes({}) + notes(EVERY_VALUE)


def test_github_knows_every_field_of_the_workflow():
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW)
    lint("zizmor", "--quiet", "--offline", "--no-progress", WORKFLOW.parents[1])


def render(values):
    """The chart's documents by their kind."""
    return {document["kind"]: document for document in yaml.safe_load_all(manifests.render(values))}


def check(binary, policy, environment):
    """Has a policy checked with the variables of a container, and tokens as from a Secret."""
    tokens = {"SLUICEGATE_GATEWAY__ADMIN_TOKEN": "0123456789abcdef"}
    if "SLUICEGATE_DECISIONS__LISTEN" in environment:
        tokens["SLUICEGATE_DECISIONS__TOKEN"] = "0123456789abcdef"
    lint(binary, "check", "--strict", policy, env={**environment, **tokens})


def lint(*command, env=None):
    """The output of a program that must find no fault. Linters are beside this Python."""
    words = [str(word) for word in command]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT, env={**os.environ, "PATH": path, **(env or {})}
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout
