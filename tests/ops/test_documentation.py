"""What the documents claim and a machine can check."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from redemption_server.demo import demo_lines
from redemption_server.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_the_table_of_settings_is_the_class() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = {
        name: (default.strip().strip("`"), accepted.strip())
        for name, default, accepted in re.findall(
            rf"^\| `({PREFIX}\w+)` \|([^|]*)\|([^|]*)\|$", text, re.MULTILINE
        )
    }
    settings = Settings()
    expected = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name == "database_url":
            value = value.get_secret_value()
        expected[f"{PREFIX}{name.upper()}"] = (shown(value), field.description)
    assert rows == expected


def shown(default: object) -> str:
    """A default as the variable would say it."""
    if isinstance(default, tuple):
        return os.pathsep.join(map(str, default))
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else str(default)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_the_readme_pastes_what_make_run_prints() -> None:
    readme = (ROOT / "README.md").read_text()
    printed = demo_lines(grpc="127.0.0.1:50051", url="http://127.0.0.1:8080")
    curl = re.search(r"curl .*?\n\n", printed, re.DOTALL)
    assert curl is not None
    lines = [line.strip() for line in curl[0].splitlines() if line.strip()]
    assert all(line in readme for line in lines)


def test_no_tracked_file_names_this_machine_or_a_package_index() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    forbidden = re.compile(
        r"(--index-url|--extra-index|--find-links|files\.pythonhosted|/work/|/root/)"
    )
    for name in filter(None, tracked):
        file = ROOT / name
        if file == Path(__file__) or not file.is_file() or file.suffix in (".binpb", ".png"):
            continue
        found = forbidden.search(file.read_text())
        assert found is None, f"{name}: {found}"
