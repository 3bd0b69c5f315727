"""Pages of the site that are not written in docs/, and links of all pages (a hook of mkdocs.yml).

README, CONTRIBUTING, the READMEs of the papers, the examples and the reference become pages. A link
to a file of the repository becomes one to the page that shows the file.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aligndetr"
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
NO_REFERENCE = ("configs", "projects", "csrc", "commands")  # configs and commands are no library


def repository_pages() -> dict[str, str]:
    """Pages that are files elsewhere in the repository: from its path to the page's."""
    pages = {"README.md": "index.md"}
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        pages[name] = name.lower()
    for readme in sorted(PACKAGE.glob("projects/*/README.md")):
        pages[readme.relative_to(ROOT).as_posix()] = f"projects/{readme.parent.name}.md"
    for notebook in sorted(ROOT.glob("examples/*.ipynb")):
        pages[f"examples/{notebook.name}"] = f"examples/{notebook.stem}.md"
    return pages


def reference_pages() -> dict[str, str]:
    """Pages of the reference: from a module's path in the repository to the page's."""
    pages = {}
    for path in sorted(PACKAGE.iterdir()):
        public = not path.name.startswith("_") and path.name not in (*NO_REFERENCE, "cli.py")
        if public and (path.suffix == ".py" or (path / "__init__.py").is_file()):
            pages[f"aligndetr/{path.name}"] = f"reference/{path.stem}.md"
    return pages


def on_config(config):
    """Fill in the parts of `nav` that follow from what there is."""
    listed = {
        "EXAMPLES": [page for page in repository_pages().values() if page.startswith("examples/")],
        "PROJECTS": [page for page in repository_pages().values() if page.startswith("projects/")],
        "REFERENCE": [
            {f"aligndetr.{Path(page).stem}": page} for page in reference_pages().values()
        ],
    }
    config.nav = _filled(config.nav, listed)
    return config


def _filled(nav, listed):
    filled = []
    for entry in nav:
        [(title, target)] = entry.items()
        if isinstance(target, list):
            filled.append({title: _filled(target, listed)})
        elif target not in listed:
            filled.append(entry)
        elif listed[target]:
            filled.append({title: listed[target]})
    return filled


def on_files(files, config):
    """Add the pages."""
    for source, page in repository_pages().items():
        path = ROOT / source
        text = notebook_as_markdown(path) if path.suffix == ".ipynb" else path.read_text("utf-8")
        files.append(File.generated(config, page, content=text))
    for source, page in reference_pages().items():
        files.append(File.generated(config, page, content=reference(ROOT / source)))
    return files


def reference(path: Path) -> str:
    """A page that documents a module, or every module of a folder where it is defined."""
    modules = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return "\n".join(
        documented(module, 1 if module in (path, path / "__init__.py") else 2)
        for module in modules
        if (module.parent / "__init__.py").is_file()
        and (module.name == "__init__.py" or not module.name.startswith("_"))
    )


def documented(module: Path, level: int) -> str:
    """The lines that mkdocstrings reads; a package's exports are left to where they are defined."""
    name = module.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    shown = name.removesuffix(".__init__")
    lines = [f"::: {shown}", "    options:", f"      heading_level: {level}"]
    if name.endswith(".__init__"):
        body = ast.parse(module.read_text("utf-8")).body
        own = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        lines.append(f"      members: {json.dumps(own) if own else 'false'}")
    return "\n".join(lines) + "\n"


def notebook_as_markdown(path: Path) -> str:
    """A notebook's cells, text as it is and code in fences."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    name = path.relative_to(ROOT).as_posix()
    return "\n\n".join([*parts, f"This page is the notebook `{name}`."]) + "\n"


def on_page_markdown(markdown, page, config, files):
    """Let links to files of the repository lead to their pages, or nowhere if there is none."""
    shown = {page: source for source, page in repository_pages().items()}
    source = shown.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def relinked(match: re.Match) -> str:
        text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        found = page_of(path)
        if found is None:
            return text if (ROOT / path).exists() else match[0]
        if found.startswith("reference/") and path.endswith(".py"):
            anchor = "#" + path.removesuffix(".py").replace("/", ".")
        here = posixpath.dirname(page.file.src_uri)
        return f"[{text}]({posixpath.relpath(found, here)}{anchor or ''})"

    return LINK.sub(relinked, markdown)


def page_of(path: str) -> str | None:
    """The page that shows a file or folder of the repository, if one does."""
    written = repository_pages()
    if page := written.get(path) or written.get(f"{path}/README.md"):
        return page
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    for source, page in reference_pages().items():
        if path == source or path.startswith(f"{source}/"):
            return page
    return None
