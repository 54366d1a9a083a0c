"""Artefacts are complete or absent; damage is named; what they were made from decides their key."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, MachineError


def make(path, text="hello", **given):
    with artefact.writing(path, "report", **given) as draft:
        (draft.path / "sub").mkdir()
        (draft.path / "sub" / "a.txt").write_text(text)
        draft.stats["n"] = 3


def test_what_was_written_is_read_back(tmp_path):
    make(tmp_path / "r", inputs={"data": "abc"}, settings={"x": 1}, code="c0")
    m = artefact.read(tmp_path / "r", "report", verify=True)
    assert m.inputs == {"data": "abc"} and m.settings == {"x": 1} and m.stats == {"n": 3}
    assert m.files["sub/a.txt"]["bytes"] == 5
    assert m.key == artefact.stage_key({"data": "abc"}, {"x": 1}, "c0")


def test_the_id_follows_content_and_origin_but_not_time(tmp_path, monkeypatch):
    make(tmp_path / "a")
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2001, 1, 1, 0, 0, 0, 0, 1, 0)))
    make(tmp_path / "b")
    make(tmp_path / "c", text="other")
    make(tmp_path / "d", settings={"x": 2})
    ids = {name: artefact.read(tmp_path / name).id for name in "abcd"}
    assert ids["a"] == ids["b"] and len(set(ids.values())) == 3


def test_a_failed_block_leaves_nothing_and_keeps_the_old_one(tmp_path):
    make(tmp_path / "r")
    with pytest.raises(RuntimeError), artefact.writing(tmp_path / "r", "report") as draft:
        (draft.path / "half").write_text("x")
        raise RuntimeError
    assert artefact.read(tmp_path / "r", verify=True).files.keys() == {"sub/a.txt"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]


def test_replacing_leaves_only_the_new_one(tmp_path):
    make(tmp_path / "r")
    make(tmp_path / "r", text="new")
    assert (tmp_path / "r" / "sub" / "a.txt").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]


def test_what_is_no_artefact_is_never_replaced(tmp_path):
    """A folder `data` of the user's own, where a run would put its documents; an empty folder is nobody's."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.txt").write_text("x")
    (tmp_path / "own" / "manifest.json").write_text('{"name": "of another program"}')
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("own", "file"):
        with pytest.raises(ArtefactError, match="the place is taken"), artefact.writing(tmp_path / name, "report"):
            pass
    assert (tmp_path / "own" / "mine.txt").read_text() == (tmp_path / "file").read_text() == "x"
    with artefact.writing(tmp_path / "empty", "report") as draft:
        (draft.path / "report.json").write_text("{}")
    assert artefact.read(tmp_path / "empty", "report")


def test_killing_the_writer_leaves_no_artefact_and_the_next_one_succeeds(tmp_path):
    code = (
        "import sys, time; from firesteel.core import artefact\n"
        "with artefact.writing(sys.argv[1], 'report') as d:\n"
        "    (d.path / 'a').write_text('x'); print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "r")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with pytest.raises(ArtefactError, match="not a finished"):
        artefact.read(tmp_path / "r")
    make(tmp_path / "r")
    assert artefact.read(tmp_path / "r", verify=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: (r / "sub" / "a.txt").write_text("hell"), "truncated"),
        (lambda r: (r / "sub" / "a.txt").unlink(), "missing"),
        (lambda r: (r / "sub" / "a.txt").write_text("HELLO"), "damaged"),
        (lambda r: (r / "manifest.json").write_text("{"), "manifest is damaged"),
        (lambda r: (r / "manifest.json").write_text("{}"), "manifest is damaged"),
        (lambda r: (r / "manifest.json").unlink(), "not a finished"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    make(tmp_path / "r")
    damage(tmp_path / "r")
    with pytest.raises(ArtefactError, match=message):
        artefact.read(tmp_path / "r", verify=True)


def test_the_wrong_kind_and_an_unknown_format_are_refused(tmp_path):
    make(tmp_path / "r")
    with pytest.raises(ArtefactError, match="it is a 'report'"):
        artefact.read(tmp_path / "r", "model")
    manifest = tmp_path / "r" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(ArtefactError, match="unknown artefact format"):
        artefact.read(tmp_path / "r")


def test_a_manifest_cannot_point_outside_its_folder(tmp_path):
    make(tmp_path / "r")
    (tmp_path / "secret").write_text("s")
    manifest = tmp_path / "r" / "manifest.json"
    fields = json.loads(manifest.read_text())
    fields["files"] = {"../secret": {"bytes": 1, "sha256": "0"}}
    manifest.write_text(json.dumps(fields))
    with pytest.raises(ArtefactError, match="outside"):
        artefact.read(tmp_path / "r")


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path):
    make(tmp_path / "r")
    with pytest.raises(MachineError, match="disk is full") as e, artefact.writing(tmp_path / "r", "report"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "kept" in e.value.hint and e.value.exit_code == 2
    assert artefact.read(tmp_path / "r", verify=True)


def test_the_code_version_follows_the_rooms_it_names():
    assert (
        artefact.code_version("core") == artefact.code_version("core", "core") != artefact.code_version("core", "tasks")
    )


def test_what_several_processes_wrote_becomes_one_artefact(tmp_path):
    built = artefact.temporary_name(tmp_path / "c")
    built.mkdir()
    files = {}
    for name in ("a", "b"):
        (built / name).write_text(name)
        files[name] = {"bytes": 1, "sha256": artefact.file_hash(built / name)}
    artefact.publish(tmp_path / "c", "checkpoint", files, inputs={"stage": "k"}, stats={"step": 1})
    assert artefact.read(tmp_path / "c", "checkpoint", verify=True).stats == {"step": 1}
    artefact.remove(tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_on_another_machine_is_not_published(tmp_path):
    artefact.temporary_name(tmp_path / "c").mkdir()
    files = {"a": {"bytes": 1, "sha256": "0"}}
    with pytest.raises(MachineError, match="not to be seen here"):
        artefact.publish(tmp_path / "c", "checkpoint", files, inputs={}, stats={})
    assert not (tmp_path / "c").exists()


def test_sweeping_removes_what_killed_processes_left_and_gives_an_old_one_its_name_back(tmp_path):
    for name in ("whole", ".half.partial", ".whole.old", ".stood.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    artefact.sweep(tmp_path)
    assert {p.name: (p / "file").read_text() for p in tmp_path.iterdir()} == {"whole": "whole", "stood": ".stood.old"}
