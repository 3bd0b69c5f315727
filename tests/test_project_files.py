"""Files that a host of repositories and other tools read: they must be what those tools accept."""

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from aligndetr import __version__

tomllib = pytest.importorskip("tomllib", reason="in Python since 3.11")
ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def installs(page):
    """The lines in fenced blocks of a page that install this checkout."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    return [line for line in "".join(blocks).splitlines() if "pip install" in line]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_may_do_nothing_that_they_do_not_need(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90, name
        for step in job["steps"]:
            # a tag can be moved to another commit, a hash cannot
            assert re.fullmatch(
                r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", "actions/x@" + 40 * "0")
            )


def test_every_python_that_is_promised_is_tested():
    matrix = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    versions = matrix["jobs"]["suite"]["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == project()["requires-python"]
    assert versions == [f"3.{minor}" for minor in range(10, 10 + len(versions))]


def test_users_choose_their_torch_and_checks_take_one_that_passed():
    capped = [line for line in project()["dependencies"] if re.search(r"<|==|~=", line)]
    assert capped == []
    for page in ("README.md", "CONTRIBUTING.md"):
        assert {" -c constraints.txt " in line for line in installs(page)} == {True}
    text = (ROOT / "constraints.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [re.split("<", line)[0] for line in lines] == ["torch"]


def test_the_suite_is_run_in_one_way_everywhere():
    [line] = [line for line in installs("README.md") if "pytest" in line]
    command = line.split("&& ")[1]
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    assert {"run": command} in workflow["jobs"]["suite"]["steps"]
    assert f"\n{command} " in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_changelog_begins_with_the_next_or_the_present_version():
    newest = re.search(r"^## (\d+)\.(\d+)\.(\d+)(.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    version = tuple(int(part) for part in newest.groups()[:3])
    present = tuple(int(part) for part in __version__.split("."))
    if newest[4] == ", not released":
        assert version > present
    else:
        assert version == present
        date.fromisoformat(newest[4].removeprefix(", "))


def pages(nav):
    """The files in a nav of mkdocs, at any depth."""
    for entry in nav:
        [target] = entry.values()
        yield from pages(target) if isinstance(target, list) else [target]


def test_every_page_of_the_documentation_is_in_the_sites_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(pages(yaml.safe_load(text)["nav"]))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert written - listed == set(), "add a line to nav in mkdocs.yml"
    generated = {"index.md", "contributing.md", "changelog.md", "security.md"}
    assert listed - written - generated == {"EXAMPLES", "PROJECTS", "REFERENCE"}
