"""Frames and arrays as the data of jobs."""

import json

import numpy as np
import pytest

pd = pytest.importorskip("pandas", reason="pandas is not installed")

import ebb  # noqa: E402
from ebb import frames, prediction  # noqa: E402
from ebb.job_file import as_file  # noqa: E402


def _frame():
    made = pd.DataFrame(
        {
            "size": [1.5, None, 0.1],
            "colour": ["red", 'a "b", c', None],
            "code": pd.Categorical([7, 8, 7]),
            "day": pd.to_datetime(["2024-03-04 00:00", "2024-03-05 06:07", None]),
            "utc": pd.to_datetime(["2024-03-04T12:00+02:00"] * 3, utc=True),
            "good": [True, False, True],
            3: [1, 2, 3],
            "label": pd.Categorical(["x", "y", "x"]),
        },
        index=[5, 9, 11],
    )
    return made


def _placed(tmp_path, **sources):
    return frames.placed({"name": "a", "data": sources}, str(tmp_path / "data"))["data"]


def test_a_frame_is_a_table_without_its_index(tmp_path):
    source = _placed(tmp_path, train=_frame())["train"]["csv"]
    assert source == {
        "header": True,
        "path": str(tmp_path / "data" / "train.csv"),
        "categorical": ["auto", "code"],
    }
    with open(source["path"], encoding="utf-8") as file:
        assert file.read().splitlines() == [
            "size,colour,code,day,utc,good,3,label",
            "1.5,red,7,2024-03-04 00:00:00,2024-03-04 10:00:00,True,1,x",
            ',"a ""b"", c",8,2024-03-05 06:07:00,2024-03-04 10:00:00,False,2,y',
            "0.1,,7,,2024-03-04 10:00:00,True,3,x",
        ]


def test_a_frame_may_stand_where_a_path_does(tmp_path):
    frame = _frame()
    made = _placed(
        tmp_path,
        train={"csv": {"path": frame, "label": "code", "ignore": ["day"]}, "scale": 2},
        test={"csv": frame},
    )
    assert made["train"]["scale"] == 2
    assert made["train"]["csv"]["ignore"] == ["day"]
    assert made["train"]["csv"]["categorical"] == ["auto", "label"]
    assert made["test"]["csv"]["path"].endswith("test.csv")
    assert frames.in_job({"data": {"test": {"csv": frame}}})
    assert not frames.in_job({"data": {"train": {"csv": "a.csv"}}})
    assert not frames.in_job({"data": "a.csv"}) and not frames.in_job("job.yaml")


def test_arrays_are_files_too(tmp_path):
    X, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])
    made = _placed(tmp_path, train={"npy": {"features": X, "labels": y}})["train"]["npy"]
    assert np.array_equal(np.load(made["features"]), X)
    assert np.array_equal(np.load(made["labels"]), y)
    frame = pd.DataFrame(X, columns=["a", "b"])
    made = _placed(tmp_path, test={"npy": {"features": frame, "labels": "y.npy"}})["test"]["npy"]
    assert np.array_equal(np.load(made["features"]), X) and made["labels"] == "y.npy"
    # Bug: the frame's own array is by columns, which ebb's reader refuses.
    assert np.load(made["features"]).flags.c_contiguous


def test_a_run_goes_on_with_the_same_frame_only(tmp_path):
    frame = _frame()
    made = [_placed(tmp_path, train=frame) for _ in range(2)]
    assert made[0] == made[1]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train.csv"]
    with pytest.raises(ebb.Refused, match="data.train.csv is not what the run began with"):
        _placed(tmp_path, train=frame[:2])


def test_paths_move_to_a_data_set(tmp_path):
    content = {"name": "a", "data": {"train": _frame(), "test": {"csv": "t.csv"}, "split": 0.2}}
    made = frames.moved(
        frames.placed(content, str(tmp_path)), str(tmp_path), f"ebb://frames-{frames.digest(str(tmp_path))}"
    )
    assert made["data"]["train"]["csv"]["path"] == f"ebb://frames-{frames.digest(str(tmp_path))}/train.csv"
    assert made["data"]["test"] == {"csv": "t.csv"} and made["data"]["split"] == 0.2


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda f: f.assign(odd=pd.to_timedelta([1, 2, 3], "s")), r"column 'odd' .* spans of time(.|\n)*total_seconds"),
        (lambda f: f.assign(odd=[1j, 2j, 3j]), "column 'odd' .* complex"),
        (lambda f: f.assign(odd=[[1], [2], None]), "column 'odd' of the frame has a list"),
        (lambda f: f.assign(odd=[b"a"] * 3), "column 'odd' of the frame has a bytes"),
        (lambda f: f.assign(odd=[{"a": 1}] * 3), "column 'odd' of the frame has a dict"),
        (lambda f: pd.concat([f, f], axis=1), "several columns 'size'"),
        (lambda f: f.assign(**{"3": 0}), "several columns '3'"),
        (lambda f: pd.concat({"a": f}, axis=1), "several levels"),
        (lambda f: f[:0], "the frame is empty: it has 0 rows"),
        (lambda f: f[[]], "the frame is empty: it has 3 rows and 0 columns"),
    ],
)
def test_frames_that_are_no_tables(tmp_path, change, told):
    with pytest.raises(ebb.Refused, match=told):
        _placed(tmp_path, train=change(_frame()))


@pytest.mark.parametrize(
    "data, told",
    [
        (pd.DataFrame({"a": [1]}), "data is a DataFrame, and a job has data to train(.|\n)*train"),
        ({"train": np.ones((2, 2))}, "data.train is an array, and does not say which(.|\n)*labels"),
        ({"train": {"csv": np.ones((2, 2))}}, "data.train.csv is an array"),
        ({"train": {"npy": np.ones((2, 2))}}, "data.train.npy is an array"),
        (
            {"train": {"npy": {"features": np.array([["a"]], object), "labels": "y"}}},
            "data.train.npy.features has values that are no numbers",
        ),
    ],
)
def test_arrays_that_say_too_little(tmp_path, data, told):
    with pytest.raises(ebb.Refused, match=told):
        if frames.in_job({"data": data}):
            frames.placed({"data": data}, str(tmp_path))


def test_elsewhere_they_are_refused():
    for value in (np.ones(3), pd.DataFrame({"a": [1, 2]}), pd.Series([1, 2])):
        with pytest.raises(ebb.Refused, match="a job holds numbers(.|\n)*data.train"):
            with as_file({"name": "a", "model": value}, {}):
                pass
    with as_file({"name": "a", "seed": np.int64(3), "x": np.array([2.5])}, {}) as (path, _):
        with open(path, encoding="utf-8") as file:
            assert json.load(file) == {"name": "a", "seed": 3, "x": 2.5}


def _model(**features):
    about = {"count": 2, "scale": 1, "missing": None, "mean": None, **features}
    labels = {"kind": "values", "mean": 0, "deviation": 1}
    layers = [{"weights": "w", "bias": "b", "function": "identity"}]
    return {"model": "linear", "features": about, "layers": layers, "labels": labels}


def test_columns_to_predict_go_by_name():
    tensors = {"w": np.array([[1.0], [10.0]]), "b": np.zeros(1)}
    frame = pd.DataFrame({"y": [0, 0], "b": [1, 2], "a": [3, None]}, index=[7, 8])
    found = prediction.predictions(_model(names=["a", "b"]), tensors, frame)
    assert found[0] == 13 and np.isnan(found[1])
    # Without names they go by place.
    assert prediction.predictions(_model(), tensors, frame[["b", "a"]])[0] == 31
    with pytest.raises(ebb.Refused, match="no column 'c'; it has 'y', 'b', 'a'"):
        prediction.predictions(_model(names=["a", "c"]), tensors, frame)
    with pytest.raises(ebb.Refused, match="the column 'a' of the frame is (object|str)"):
        prediction.predictions(_model(names=["a", "b"]), tensors, frame.assign(a="text"))
    text = [{"kind": "one_hot", "name": "a"}, {"kind": "number", "name": "b"}]
    with pytest.raises(ebb.Refused, match="a table with text"):
        prediction.predictions(_model(columns=text, names=["a", "b"]), tensors, frame)


def test_a_data_set_of_a_program_has_rows():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from ebb.torch import data

    for value in (_frame(), _frame()["size"]):
        with pytest.raises(ebb.Refused, match="of pandas, whose .i. is a column(.|\n)*TensorDataset"):
            data.check_map_style(value)
