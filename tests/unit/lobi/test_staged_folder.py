"""A folder appears whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.staged_folder import ADAPTER, check_place, staged_folder, staging_of

TEMPLATES = "additional_chat_templates"


def fill(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    (folder / TEMPLATES).mkdir()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_at_the_place_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "small"
    with staged_folder(target) as folder:
        fill(folder, "one")
        assert not target.exists()
    assert (names(target), names(target.parent)) == ([TEMPLATES, "config.json"], ["small"])


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_whoever_may_read_a_new_file_may_read_what_a_library_wrote_for_its_user_alone(
    tmp_path: Path, umask: int
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("not mine")
    outside.chmod(0o600)
    before = os.umask(umask)
    try:
        with staged_folder(tmp_path / "small") as folder:
            fill(folder, "one")
            (folder / "model.safetensors").touch(0o600)
            (folder / "adapter").mkdir(0o700)
            (folder / "adapter" / "adapter_model.safetensors").touch(0o600)
            (folder / "link").symlink_to(outside)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    modes = {path.name: path.lstat().st_mode & 0o777 for path in (tmp_path / "small").rglob("*")}
    modes.pop("link")
    assert {modes.pop(name) for name in (TEMPLATES, "adapter")} == {0o777 & ~umask}
    assert set(modes.values()) == {0o666 & ~umask}
    assert outside.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("rights", [0o700, 0o711])
def test_a_folder_keeps_the_rights_that_its_owner_gave_it(tmp_path: Path, rights: int) -> None:
    target = tmp_path / "small"
    for text in (None, "old"):
        target.mkdir(rights, exist_ok=True)
        target.chmod(rights)
        assert text is None or (target / "config.json").read_text() == text
        with staged_folder(target, replace=True) as folder:
            (folder / "config.json").write_text("old")
        assert target.stat().st_mode & 0o777 == rights


def test_what_replaces_a_closed_folder_is_closed_while_it_is_made(tmp_path: Path) -> None:
    target = tmp_path / "small"
    target.mkdir(0o700)
    fill(target, "old")
    staging_of(target).mkdir()
    staging_of(target).chmod(0o2755)
    with staged_folder(target, replace=True) as folder:
        assert folder.stat().st_mode & 0o7777 == 0o2700
        fill(folder, "new")


def test_what_was_given_other_rights_keeps_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o2755)
    with staged_folder(tmp_path / "small") as folder:
        (folder / "config.json").write_text("{}")
        (folder / "config.json").chmod(0o640)
        for name, rights in ((TEMPLATES, 0o777), ("adapter", 0o700)):
            (folder / name).mkdir(rights)
    assert (tmp_path / "small" / "config.json").stat().st_mode & 0o777 == 0o640
    assert all((tmp_path / "small" / name).stat().st_mode & 0o2000 for name in (TEMPLATES, "adapter"))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("replace", [True, False])
def test_a_system_that_changes_no_rights_loses_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    target = tmp_path / "small"
    if replace:
        target.mkdir(0o700)
        fill(target, "old")
    for holder in (Path, os):
        monkeypatch.setattr(holder, "chmod", refuse)
    with staged_folder(target, replace=replace) as folder:
        fill(folder, "new")
        (folder / "model.safetensors").touch(0o600)
    assert names(target) == [TEMPLATES, "config.json", "model.safetensors"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "small"
    with staged_folder(target) as folder:
        fill(folder, "one")

    def stop_half_way() -> None:
        with staged_folder(target) as folder:
            fill(folder, "two")
            raise error

    with pytest.raises(type(error)):
        stop_half_way()
    assert names(tmp_path) == ["small"]
    assert (target / "config.json").read_text() == "one"


def test_the_next_run_clears_what_a_killed_one_left_and_replaces_the_old(tmp_path: Path) -> None:
    target = tmp_path / "small"
    left = tmp_path / ".small.unfinished"
    for folder in (target, left):
        folder.mkdir()
        fill(folder, "old")
    with staged_folder(target, replace=True) as folder:
        assert folder == left
        assert not names(folder)
        fill(folder, "new")
    assert (target / "config.json").read_text() == "new"
    assert names(tmp_path) == ["small"]


def test_a_folder_that_an_earlier_run_moved_aside_is_not_in_the_way(tmp_path: Path) -> None:
    target, aside = tmp_path / "small", tmp_path / ".small.replaced"
    for folder in (target, aside):
        folder.mkdir()
        fill(folder, "old")
    with staged_folder(target, replace=True) as folder:
        fill(folder, "new")
    assert (target / "config.json").read_text() == "new"
    assert names(tmp_path) == [".small.replaced", "small"]
    assert (aside / "config.json").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "replace", "words"),
    [("config.json", False, "--force"), ("thesis.txt", True, "something else than a checkpoint")],
)
def test_what_appeared_meanwhile_stays_and_what_was_made_is_named(
    tmp_path: Path, name: str, replace: bool, words: str
) -> None:
    target, made = tmp_path / "small", tmp_path / ".small.unfinished"

    def finish_too_late() -> None:
        with staged_folder(target, replace=replace) as folder:
            fill(folder, "new")
            target.mkdir()
            (target / name).write_text("mine")

    with pytest.raises(LoBiError, match=f"{words}.*; what was made is complete in {made}"):
        finish_too_late()
    assert names(target) == [name]
    assert (target / name).read_text() == "mine"
    assert (made / "config.json").read_text() == "new"


def test_a_last_move_that_fails_loses_neither_the_new_nor_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, made = tmp_path / "small", tmp_path / ".small.unfinished"
    target.mkdir()
    fill(target, "old")
    rename = Path.rename

    def refuse(path: Path, place: Path) -> Path:
        if path == made:
            raise OSError("no such luck")
        return rename(path, place)

    monkeypatch.setattr(Path, "rename", refuse)
    with (
        pytest.raises(OSError, match=f"no such luck; what was made is complete in {made}"),
        staged_folder(target, replace=True) as folder,
    ):
        fill(folder, "new")
    assert (target / "config.json").read_text() == "old"
    assert (made / "config.json").read_text() == "new"
    assert names(tmp_path) == [made.name, "small"]


def test_two_runs_do_not_fill_one_folder(tmp_path: Path) -> None:
    target = tmp_path / "small"
    with staged_folder(target) as folder:
        fill(folder, "first")
        with pytest.raises(LoBiError, match="another run is filling"), staged_folder(target):
            pass
    assert (target / "config.json").read_text() == "first"


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    check_place(tmp_path / "missing", replace=False)
    (tmp_path / "empty").mkdir()
    check_place(tmp_path / "empty", replace=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(LoBiError, match="is a file"):
        check_place(tmp_path / "file", replace=True)
    with pytest.raises(LoBiError, match="something else than a checkpoint"):
        check_place(tmp_path, replace=True)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    fill(checkpoint, "one")
    with pytest.raises(LoBiError, match="--force"):
        check_place(checkpoint, replace=False)
    check_place(checkpoint, replace=True)


@pytest.mark.parametrize("folder", ["checkpoint-5", ".git", ADAPTER, f"{TEMPLATES}/mine"])
def test_a_checkpoint_with_a_folder_that_no_run_made_is_not_replaced(tmp_path: Path, folder: str) -> None:
    target = tmp_path / "small"
    target.mkdir()
    fill(target, "old")
    (target / folder).mkdir(parents=True)
    (target / folder / "model.safetensors").write_text("mine")
    with pytest.raises(LoBiError, match=f"small holds the folder {folder}, which would be lost"):
        check_place(target, replace=True)


def test_a_checkpoint_with_its_adapter_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "small"
    (target / ADAPTER).mkdir(parents=True)
    fill(target, "old")
    (target / "recipe.yaml").write_text("old")
    with staged_folder(target, replace=True) as folder:
        fill(folder, "new")
    assert names(target) == [TEMPLATES, "config.json"]


@pytest.mark.parametrize("working", ["small", "small/deep"])
def test_the_working_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, working: str) -> None:
    (tmp_path / working).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / working)
    with pytest.raises(LoBiError, match="holds the working folder, and cannot be replaced as a whole"):
        check_place(tmp_path / "small", replace=True)


def test_a_mount_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    with pytest.raises(LoBiError, match=f"give a folder in it, such as {tmp_path / 'small'}"):
        check_place(tmp_path, replace=False)


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "disk" / "small", tmp_path / "link"
    target.mkdir(parents=True)
    fill(target, "old")
    link.symlink_to(target)
    with staged_folder(link, replace=True) as folder:
        fill(folder, "new")
    assert link.is_symlink()
    assert (target / "config.json").read_text() == "new"
    assert names(target.parent) == ["small"]


def test_a_place_that_does_not_let_go_of_what_is_there_leaves_no_folder_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "small"
    target.mkdir()
    fill(target, "old")
    target.chmod(0o555)
    rename = Path.rename

    def refuse(path: Path, place: Path) -> Path:
        if path == target:
            raise OSError("busy")
        return rename(path, place)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="busy"), staged_folder(target, replace=True) as folder:
        fill(folder, "new")
    assert names(tmp_path) == [staging_of(target).name, "small"]
    assert staging_of(target).stat().st_mode & 0o700 == 0o700


def test_a_folder_of_another_run_is_not_cleared_where_the_locked_one_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, other = tmp_path / "small", staging_of(tmp_path / "small") / "config.json"
    lock = fcntl.flock

    def end_and_start(handle: int, how: int) -> None:
        other.parent.rename(target)
        other.parent.mkdir()
        other.write_text("another run")
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", end_and_start)
    with pytest.raises(LoBiError, match="another run is filling"), staged_folder(target):
        pass
    assert other.read_text() == "another run"
