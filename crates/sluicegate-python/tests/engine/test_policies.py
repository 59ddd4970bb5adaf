"""`Policy`: a file, a mapping of the same shape, and the environment."""

import ast
import pathlib

import pytest

import sluicegate._native as native
from sluicegate import Limiter, Policy, PolicyError, Quota

FILE = """
[store]
outage = "deny"

[limits.gpu]
quota = "64 concurrent"

[limits.batch]
quota = "1000 items/minute"
algorithm = "fixed-window"
key = "tenant"
"""
MAPPING = {
    "store": {"outage": "deny"},
    "limits": {
        "gpu": {"quota": "64 concurrent"},
        "batch": {"quota": "1000 items/minute", "algorithm": "fixed-window", "key": "tenant"},
    },
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sluicegate.toml"
    path.write_text(FILE)
    return path


def test_a_file_and_a_mapping_of_its_shape_are_one_policy(file):
    limits = {
        "gpu": Quota.parse("64 concurrent"),
        "batch": Quota.parse("1000 items/minute", algorithm="fixed-window"),
    }
    for source in (file, str(file), MAPPING):
        assert Policy(source).limits == limits
        assert Limiter(policy=source).policy.limits == limits
    assert Limiter(policy=Policy(file)).policy.limits == limits


def test_a_limiter_without_a_policy_has_no_limits():
    assert Limiter().policy.limits == {}


def test_a_store_is_that_of_the_call_then_of_the_environment_then_of_the_policy(monkeypatch, file):
    policy = {"store": {"url": "redis://in-the-policy"}}
    assert Limiter().store == "memory://"
    assert Limiter(policy=policy).store == "redis://in-the-policy"

    monkeypatch.setenv("SLUICEGATE_STORE__URL", "redis://in-the-environment")
    assert Limiter().store == "redis://in-the-environment"
    assert Limiter(policy=policy).store == "redis://in-the-environment"
    assert Limiter(policy=file).store == "redis://in-the-environment"
    assert Limiter("memory://", policy).store == "memory://"


def test_other_settings_come_from_the_environment_too(monkeypatch, file):
    monkeypatch.setenv("SLUICEGATE_LIMITS__GPU__QUOTA", "2 concurrent")
    assert Policy(file).limits["gpu"] == Quota.parse("2 concurrent")


def test_what_is_wrong_with_a_file_is_told_with_its_place(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text('[store]\nurll = "memory://"\n[limits.a]\nquota = "1/minuet"\n')

    with pytest.raises(PolicyError) as error:
        Policy(path)
    text = str(error.value)
    assert "wrong.toml" in text and ":2:1" in text and "did you mean `url`?" in text


def test_everything_that_is_wrong_is_told_at_once():
    with pytest.raises(PolicyError) as error:
        Policy({"limits": {"a": {"quota": "1/minuet"}, "b": {"quota": "1/houer"}}})
    assert "limits.a.quota" in str(error.value) and "limits.b.quota" in str(error.value)


def test_what_is_wrong_with_a_mapping_is_told_with_its_field():
    with pytest.raises(PolicyError, match="limits.a.quota: unknown period `minuet`"):
        Policy({"limits": {"a": {"quota": "1/minuet"}}})
    with pytest.raises(PolicyError, match="store.urll.*\n.*did you mean `url`"):
        Policy({"store": {"urll": "memory://"}})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyError, match="nowhere.toml: cannot be read"):
        Policy(tmp_path / "nowhere.toml")


def test_what_is_neither_a_path_nor_a_mapping_is_a_type_error():
    with pytest.raises(TypeError):
        Policy(5)


def test_the_native_names_are_all_described():
    """The names of the module are those of its type stubs, and the other way round."""
    stubs = [ast.parse(stub.read_text()) for stub in pathlib.Path(native.__file__).parent.glob("_*.pyi")]
    nodes = [node for stub in stubs for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    assert {node.name for node in nodes} == {name for name in vars(native) if not name.startswith("_")}
