"""docker-compose.yml: valid, closed to the network, without a secret of its own."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.stack.compose_file import COMPOSE, ROOT, VARIABLE, example_variables, services, text

FILLED = {name: f"x{name}x" for name in example_variables()}
SERVICES = services(FILLED)
OURS = {name for name, service in SERVICES.items() if "build" in service}
ONE_SHOT = {"bucket", "deploy", "webtext"}


def words_of(service: Mapping[str, Any]) -> list[str]:
    """Of all its command lines."""
    check = service.get("healthcheck", {}).get("test", [])
    return [*service.get("entrypoint", []), *service.get("command", []), *check]


def test_it_is_a_compose_file():
    command = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    found = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_nothing_is_reached_from_another_machine():
    ports = {port for service in SERVICES.values() for port in service.get("ports", ())}
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any("network_mode" in service for service in SERVICES.values())


def test_without_env_it_says_what_to_set():
    variables = VARIABLE.findall(text())
    assert {name for name, _, _ in variables} == set(example_variables())
    assert not [name for name, operator, _ in variables if operator != "?"]
    explained = {name for name, _, message in variables if message}
    assert explained == set(example_variables())


def test_no_secret_has_a_default():
    assert set(example_variables().values()) == {""}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if name.endswith(("PASSWORD", "KEY", "KEY_ID", "CONNECTION_URL", "STORE_URI")):
                assert "x" in value, f"{name} is not from .env"


def test_no_secret_is_on_a_command_line():
    secrets = [FILLED[name] for name in FILLED if name != "WEBTEXT_RECIPE"]
    lines = [line for service in SERVICES.values() for line in words_of(service)]
    assert not [line for line in lines for secret in secrets if secret in line]


def test_the_file_of_secrets_is_in_no_image_and_no_commit():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert "!.env" not in ignored
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_can_gain_no_rights(name: str):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    of_the_machine = {"privileged", "pid", "ipc", "uts", "cgroup", "userns_mode", "devices"}
    assert not of_the_machine & set(service)
    assert name == "s3" or "cap_add" not in service
    assert "docker.sock" not in str(service)


def test_files_of_the_machine_are_only_read():
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    of_the_machine = [mount for mount in mounts if mount.startswith((".", "/", "~"))]
    assert of_the_machine
    assert not [mount for mount in of_the_machine if not mount.endswith(":ro")]


def test_the_ports_that_are_open_are_those_that_the_docs_list():
    (section,) = re.findall(
        r"^## What listens$(.*?)^## ", (ROOT / "docs" / "security.md").read_text(), re.M | re.S
    )
    ports = {port for service in SERVICES.values() for port in service.get("ports", ())}
    assert {port.rpartition(":")[0] for port in ports} == set(
        re.findall(r"127\.0\.0\.1:\d+", section)
    )


def test_images_are_pinned():
    images = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    tags = {image.partition(":")[2] for image in images}
    assert all(tag[:1].isdigit() and "." in tag for tag in tags)


def test_whoever_waits_waits_for_what_can_be_seen():
    for name, service in SERVICES.items():
        if name not in ONE_SHOT:
            assert "healthcheck" in service or name == "ray-worker", name
        needed: Mapping[str, Mapping[str, str]] = service.get("depends_on", {})
        for other, how in needed.items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert how["condition"] == "service_completed_successfully"
                assert other in ONE_SHOT


def test_volumes_are_declared_and_used():
    declared = set(yaml.safe_load(text().replace("${", "$"))["volumes"])
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    used = {mount.partition(":")[0] for mount in mounts}
    assert {each for each in used if not each.startswith(".")} == declared


def test_extras_and_scripts_of_the_image_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in OURS:
        build = SERVICES[name]["build"]
        asked = "" if isinstance(build, str) else build["args"].get("EXTRAS", "")
        assert set(asked.split(",")) - {""} <= set(project["optional-dependencies"])
    words = {word for service in SERVICES.values() for word in words_of(service)}
    scripts = {word for word in words if word.startswith("docker/")}
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)
