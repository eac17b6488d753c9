"""What an operator applies to a cluster: valid by Kubernetes' own schemas, with arguments that vLLM takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from hola_plugins.doctor.host import DOOR
from hola_plugins.hsd.config import load_config
from hola_plugins.stats import WORKER_EXTENSION

FILE = Path(__file__).parents[2] / "integrations" / "vllm" / "kubernetes.yaml"
VERSIONS = ("1.29", "1.32")


def _objects() -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all(FILE.read_text(encoding="utf-8"))}


def _pod() -> dict[str, Any]:
    return _objects()["Deployment"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["ConfigMap", "Deployment", "Service"])
def test_the_object_is_valid(kind: str, version: str) -> None:
    kubernetes_validate.validate(_objects()[kind], version, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    deployment = _objects()["Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_vllm_takes_the_arguments() -> None:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    (container,) = _pod()["containers"]
    arguments = make_arg_parser(FlexibleArgumentParser()).parse_args(container["args"])
    assert arguments.speculative_config["model"] == DOOR
    assert arguments.worker_extension_cls == WORKER_EXTENSION
    assert arguments.port == container["ports"][0]["containerPort"]
    settings = arguments.additional_config["hola"]["hsd"]["config_file"]
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == "settings")
    assert settings.startswith(mount["mountPath"] + "/")
    assert Path(settings).name in _objects()["ConfigMap"]["data"]


def test_hsd_takes_the_settings() -> None:
    config = load_config(json.loads(_objects()["ConfigMap"]["data"]["hsd.json"]))
    assert config.store.isolated
    (container,) = _pod()["containers"]
    writable = [one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")]
    assert any(str(config.telemetry.jsonl).startswith(f"{folder}/") for folder in writable)


def test_names_meet() -> None:
    objects, pod = _objects(), _pod()
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"].items() <= labels.items()
    (container,) = pod["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} <= ports
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["settings"]["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]


def test_it_runs_without_rights_that_it_does_not_need() -> None:
    pod = _pod()
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    mounts = [one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")]
    folders = [one["value"] for one in container["env"] if one["value"].startswith("/")]
    assert all(any(folder.startswith(mount) for mount in mounts) for folder in folders)
