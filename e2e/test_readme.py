"""What the README promises."""

from pathlib import Path

from gateway import Spent, run
from model import FLOWER, flowers

README = Path(__file__).parents[1].joinpath("README.md").read_text()
POLICY = README.split("```toml\n")[1].split("```")[0]


def test_the_policy_of_the_readme_is_a_good_one(tmp_path):
    policy = tmp_path / "sluicegate.toml"
    policy.write_text(POLICY)

    checked = run("check", folder=tmp_path)

    assert checked.returncode == 0, checked.stderr


def test_the_policy_of_the_readme_limits_as_it_says(start):
    with start(POLICY).client() as client:
        assert Spent(lambda: client.post("/predict", json=FLOWER)).was(10, 60)
        assert client.post("/predict/batch", json=flowers(100)).status_code == 200
        assert client.post("/predict/batch", json=flowers(100)).status_code == 429
