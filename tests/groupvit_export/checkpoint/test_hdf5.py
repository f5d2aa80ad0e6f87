"""HDF5 files with more in them than arrays: nothing of it is followed, run or believed."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from checkpoints import assert_refused
from opened_files import watched

from groupvit_export.checkpoint.weight_files import read_weights
from groupvit_export.errors import CheckpointError

STORED = Path(__file__).resolve().parents[2] / "data" / "tf-checkpoint" / "h5"
SECRET = np.arange(6, dtype=np.float32)
PLAIN = "plain arrays of numbers"


@pytest.fixture
def path(tmp_path):
    """Where a hostile file goes: beside a configuration, so that it would be loaded."""
    (tmp_path / "config.json").write_bytes((STORED / "config.json").read_bytes())
    return tmp_path / "tf_model.h5"


def external_link(file, other):
    file["w"] = h5py.ExternalLink(other, "/w")


def external_group(file, other):
    file["a/b"] = h5py.ExternalLink(other, "/")


def external_storage(file, other):
    file.create_dataset("w", (6,), "<f4", external=[(other, 0, 24)])


def virtual(file, other):
    layout = h5py.VirtualLayout((6,), "<f4")
    layout[:] = h5py.VirtualSource(other, "w", (6,))
    file.create_virtual_dataset("w", layout)


def virtual_without_end(file, other):
    """Whose shape alone has to be asked of the other file."""
    layout = h5py.VirtualLayout((6,), "<f4", maxshape=(None,))
    source = h5py.VirtualSource(other, "w", (6,), maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file.create_virtual_dataset("w", layout)


@pytest.mark.parametrize(
    "lead", [external_link, external_group, external_storage, virtual, virtual_without_end]
)
def test_no_other_file_is_opened(lead, path, tmp_path):
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file.create_dataset("w", data=SECRET, maxshape=(None,), chunks=(6,))
    with h5py.File(path, "w") as file:
        lead(file, str(other))
    with watched(other) as watch:
        assert_refused(path.parent, PLAIN)
        assert not watch.was_opened()
        # The watch sees what h5py opens.
        with h5py.File(other, "r"):
            assert watch.was_opened()


def soft_link(file):
    file["a"] = SECRET
    file["b"] = h5py.SoftLink("/a")


def dangling_link(file):
    file["b"] = h5py.SoftLink("/nowhere")


def group_in_itself(file):
    group = file.create_group("a")
    group["again"] = group


def root_in_a_group(file):
    file["a/root"] = file["/"]


def array_twice(file):
    file["a"] = SECRET
    file["b"] = file["a"]


def named_type(file):
    file["t"] = np.dtype("<f4")


def compressed(file):
    file.create_dataset("w", data=np.zeros((1 << 20), np.float32), compression="gzip")


def chunks(file):
    file.create_dataset("w", (1 << 40,), "<f4", chunks=(1 << 10,))


def never_written(file):
    """Four tebibytes in a file of two kilobytes."""
    space = h5py.h5s.create_simple((1 << 40,))
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    h5py.h5d.create(file.id, b"w", h5py.h5t.IEEE_F32LE, space, created)


def no_values(file):
    file["w"] = h5py.Empty("<f4")


def objects(file):
    file.create_dataset("w", data=[file.ref], dtype=h5py.ref_dtype)


def texts(file):
    file.create_dataset("w", data=["a", "b"], dtype=h5py.string_dtype())


def ragged(file):
    file.create_dataset("w", (2,), dtype=h5py.vlen_dtype(np.float32))


def records(file):
    file["w"] = np.zeros(3, [("a", "<f4"), ("b", "<i4")])


def complex_numbers(file):
    file["w"] = np.zeros(3, np.complex64)


def choices(file):
    file.create_dataset("w", (3,), dtype=h5py.enum_dtype({"a": 0, "b": 1}, "i1"))


HOSTILE = (
    soft_link,
    dangling_link,
    group_in_itself,
    root_in_a_group,
    array_twice,
    named_type,
    compressed,
    chunks,
    never_written,
    no_values,
    objects,
    texts,
    ragged,
    records,
    complex_numbers,
    choices,
)


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_what_is_no_plain_array_is_refused(make, path):
    with h5py.File(path, "w") as file:
        make(file)
    assert_refused(path.parent, PLAIN, str(path))


def test_data_that_is_named_often_is_no_more_than_the_file(path):
    """Headers changed so that eight arrays of 100 kB are the same bytes, and the rest cut away."""
    with h5py.File(path, "w") as file:
        for name in "abcdefgh":
            file[name] = np.zeros(25_000, np.float32)
        places = [file[name].id.get_offset() for name in "abcdefgh"]
    data = path.read_bytes()
    for place in places[1:]:
        entry = struct.pack("<QQ", place, 100_000)
        assert data.count(entry) == 1
        data = data.replace(entry, struct.pack("<QQ", places[0], 100_000))
    end = places[1]
    assert data[40:48] == struct.pack("<Q", len(data))
    path.write_bytes(data[:40] + struct.pack("<Q", end) + data[48:end])
    assert_refused(path.parent, "arrays of more bytes than the file has")


@pytest.mark.parametrize("name", [b"a/b", b"..", b"."])
def test_names_that_are_paths(name, path):
    with h5py.File(path, "w") as file:
        file["xyz"] = SECRET
    data = path.read_bytes()
    assert data.count(b"xyz\0") == 1
    path.write_bytes(data.replace(b"xyz\0", name.ljust(4, b"\0")))
    assert_refused(path.parent, "which is no name")


def test_damage_is_told_or_harmless(path):
    """Bytes changed where the structure is, and files cut off."""
    data = (STORED / "tf_model.h5").read_bytes()
    draw = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(draw.choice([1, 4, 16])):
            damaged[draw.randrange(8192)] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice([len(damaged), draw.randrange(len(damaged))])])
        try:
            read_weights(path)
        except CheckpointError as error:
            refused += 1
            assert error.got and error.fix
    assert refused > 20


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" * 50])
def test_not_such_a_file(content, path):
    path.write_bytes(content)
    assert_refused(path.parent, "tf_model.h5 cannot be read", "download the file again")


def test_a_pointer_in_place_of_the_file(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert_refused(path.parent, "Git LFS pointer")
