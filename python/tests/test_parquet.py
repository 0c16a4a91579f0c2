"""`ebb data pack` of tables that pyarrow wrote."""

import decimal
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_EBB = Path(os.environ["EBB_BIN"]) / "ebb"


def _ebb(folder, *arguments, rc=0, python=sys.executable):
    """Returns what it prints."""
    ran = subprocess.run(
        [str(_EBB), *arguments],
        cwd=folder,
        env=dict(os.environ, EBB_PYTHON=python),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert ran.returncode == rc, ran.stdout
    return ran.stdout


def _write(path, columns, **options):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table(columns), str(path), **options)


def test_numbers_are_read_back_equal(tmp_path):
    pa = pytest.importorskip("pyarrow")
    np = pytest.importorskip("numpy")
    draw = np.random.default_rng(3)
    count = 1000
    values = draw.normal(size=(3, count)).astype(np.float32)
    table = {
        "a": pa.array(values[0]),
        "b": pa.array(values[1].astype(np.float64)),
        "whole": pa.array(np.arange(count, dtype=np.int16)),
        "price": pa.array([decimal.Decimal(i) / 4 for i in range(count)]),
        "y": pa.array(values[2]).cast(pa.float32()),
    }
    # Several row groups, and a dictionary of its own in each.
    _write(tmp_path / "t.parquet", table, row_group_size=300, compression="zstd")
    said = _ebb(tmp_path, "data", "pack", "t.parquet", "p", "--set", "data.train.csv.label=y")
    assert "1,000 examples of 4 features" in said
    # The same numbers as text, to the last digit that counts.
    with open(tmp_path / "t.csv", "w") as file:
        file.write("a,b,whole,price,y\n")
        for i in range(count):
            a, b, y = (repr(v[i].item()) for v in (values[0], values[1], values[2]))
            file.write(f"{a},{b},{i},{i / 4},{y}\n")
    _ebb(tmp_path, "data", "pack", "csv:t.csv", "q", "--set", "data.train.csv.label=y")
    window = "windows-00000.ebbp"
    assert (tmp_path / "p" / window).read_bytes() == (tmp_path / "q" / window).read_bytes()


def test_texts_become_categories_and_nulls_means(tmp_path):
    pa = pytest.importorskip("pyarrow")
    colours = ["red", "green, dark", 'a "quote"', None] * 25
    for part in range(2):
        _write(
            tmp_path / f"part-{part}.parquet",
            {
                "colour": pa.array(colours).dictionary_encode(),
                "sound": [True, False] * 50,
                "size": [1.0, None, 3.0, 2.0] * 25,
                "label": [0, 1] * 50,
            },
            row_group_size=40,
        )
    said = _ebb(tmp_path, "data", "pack", "part-*.parquet", "p")
    assert "200 examples" in said
    assert "2 different whole labels" in said
    assert "colour" in said
    first = _ebb(tmp_path, "data", "cat", "p", "--count", "1").split()
    # The label, four columns for colours (and others), sound and size.
    assert len(first) == 1 + 5 + 2, first


def test_a_job_file_names_the_table(tmp_path):
    _write(tmp_path / "t.parquet", {"x": [0.5, 1.5] * 50, "label": [0, 1] * 50})
    (tmp_path / "job.yaml").write_text(
        "name: t\nmodel: softmax\n"
        "data: {train: {csv: {path: t.parquet, header: true}}, split: 0.2}\n"
    )
    assert "p/train: " in _ebb(tmp_path, "data", "pack", "job.yaml", "p")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (lambda pa: pa.array([[1, 2], [3]]), "the column 'odd' is nested (list<"),
        (lambda pa: pa.array([{"a": 1}, {"a": 2}]), "the column 'odd' is nested (struct<"),
        (lambda pa: pa.array([b"\x00", b"\xff"]), "has values of type binary; ebb reads numbers"),
        (lambda pa: pa.array([1, 2], pa.duration("s")), "has values of type duration[s]"),
    ],
)
def test_columns_that_no_table_has_are_named(tmp_path, column, said):
    pa = pytest.importorskip("pyarrow")
    _write(tmp_path / "t.parquet", {"odd": column(pa), "label": [0, 1]})
    printed = _ebb(tmp_path, "data", "pack", "t.parquet", "p", rc=2)
    assert "t.parquet: " in printed
    assert said in printed
    assert not (tmp_path / "p").exists()


def test_a_damaged_file_is_named(tmp_path):
    _write(tmp_path / "t.parquet", {"x": [0.5] * 1000, "label": [0, 1] * 500})
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: len(whole) // 2])
    printed = _ebb(tmp_path, "data", "pack", "t.parquet", "p", rc=2)
    assert "t.parquet: pyarrow cannot read it: " in printed
    assert "No such file" in _ebb(tmp_path, "data", "pack", "none.parquet", "p", rc=2)


def test_says_what_to_install(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    # An interpreter without any packages.
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    printed = _ebb(tmp_path, "data", "pack", "t.parquet", "p", rc=1, python=str(bare))
    assert "has no pyarrow, which reads Parquet files" in printed
    assert "-m pip install pyarrow" in printed
    printed = _ebb(tmp_path, "data", "pack", "t.parquet", "p", rc=1, python="/none")
    assert "/none cannot be started" in printed
    assert "EBB_PYTHON" in printed


def _write_frame(path, frame, **options):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.Table.from_pandas(frame, **options), str(path))


def test_the_index_of_a_frame_is_no_feature(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [0.5, 1.5, 2.5] * 40, "label": [0, 1, 1] * 40})
    # Filters leave rows like this: the number of each, which is a column of the file.
    _write_frame(tmp_path / "t.parquet", frame.sort_values("label")[frame.x < 2])
    said = _ebb(tmp_path, "data", "pack", "t.parquet", "p")
    assert "80 examples of 1 feature," in said
    warning = "warning: the column '__index_level_0__' is left out: it is the index of"
    assert said.count(warning) == 1
    # Two levels that have names, and a label among them.
    frame["row"] = range(120)
    _write_frame(tmp_path / "u.parquet", frame.set_index(["row", "label"]))
    said = _ebb(tmp_path, "data", "pack", "u.parquet", "q", "--set", "data.train.csv.label=label",
                rc=2)  # fmt: skip
    assert "the column 'row' is left out" in said and "the column 'label' is left out" in said
    assert "there is no column 'label'" in said
    _write_frame(tmp_path / "v.parquet", frame[["row"]].set_index("row"))
    assert "every column is the index" in _ebb(tmp_path, "data", "pack", "v.parquet", "q", rc=2)
    # A frame that was not filtered has its numbers in no column, or in none at all.
    for number, options in enumerate(({}, {"preserve_index": False})):
        _write_frame(tmp_path / "w.parquet", frame, **options)
        said = _ebb(tmp_path, "data", "pack", "w.parquet", f"w{number}")
        assert "120 examples of 2 features," in said and "left out" not in said


def test_folders_that_give_values_are_named(tmp_path):
    folder = tmp_path / "year=2024" / "month=1"
    folder.mkdir(parents=True)
    _write(folder / "t.parquet", {"month": [1, 2] * 20, "x": [0.5, 1.5] * 20, "label": [0, 1] * 20})
    said = _ebb(tmp_path, "data", "pack", "year=2024/month=1/t.parquet", "p")
    assert "warning: the folder year=2024 gives the rows a value of 'year'" in said
    assert "month=1" not in said.replace("month=1/", "")


def _says(folder, *lines):
    """An interpreter that prints these lines, whatever it is to run."""
    path = folder / "says"
    path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    path.chmod(0o755)
    return str(path)


def test_names_that_are_numbers_are_names(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    python = _says(tmp_path, "echo '\"0\",\"1\",\"2\"'", "for i in 1 2 3 4; do echo $i,$i,$i; done")
    for text in ("csv: t.parquet", "csv: {path: t.parquet}"):
        job = f"name: pack\nmodel: linear\ndata: {{train: {{{text}}}}}\n"
        (tmp_path / "job.yaml").write_text(job)
        said = _ebb(tmp_path, "data", "pack", "job.yaml", "p", python=python)
        assert ": 4 examples of 2 features" in said
        subprocess.run(["rm", "-r", str(tmp_path / "p")], check=True)
    job = job.replace("{path: t.parquet}", "{path: t.parquet, header: false}")
    (tmp_path / "job.yaml").write_text(job)
    said = _ebb(tmp_path, "data", "pack", "job.yaml", "p", rc=2, python=python)
    assert "a Parquet file names its columns; leave header out" in said


def test_modules_are_not_those_of_the_folder(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    (tmp_path / "pyarrow.py").write_text("raise SystemExit('code of the folder')\n")
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')
    bare.chmod(0o755)
    said = _ebb(tmp_path, "data", "pack", "t.parquet", "p", rc=1, python=str(bare))
    assert "has no pyarrow" in said


def test_an_interrupt_ends_a_wait(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    python = _says(tmp_path, "echo a,b", "touch began", "exec sleep 600")
    with subprocess.Popen(
        [str(_EBB), "data", "pack", "t.parquet", "p"],
        cwd=tmp_path,
        env=dict(os.environ, EBB_PYTHON=python),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pack:
        began = time.monotonic()
        while not (tmp_path / "began").exists():
            assert time.monotonic() - began < 60
            time.sleep(0.05)
        while pack.poll() is None and time.monotonic() - began < 60:
            # One that comes before it waits is seen when it has read more.
            pack.send_signal(signal.SIGINT)
            time.sleep(0.2)
        assert pack.returncode == 130, pack.communicate()[0]
    assert not (tmp_path / "p").exists()
