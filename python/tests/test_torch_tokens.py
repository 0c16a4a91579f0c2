"""Tests ebb.torch.Tokens: packed tokens as a data set."""

import hashlib
import math
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import urllib.request

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
np = pytest.importorskip("numpy")

import torch.nn.functional as F  # noqa: E402

import ebb  # noqa: E402
import ebb.local  # noqa: E402
import ebb.torch  # noqa: E402
from ebb.torch import data, inputs, job_keys, token_files  # noqa: E402
from ebb.torch.options import Chosen  # noqa: E402

LENGTH = 4


def write(folder, tokens, window=3, end=None, width=2, length=LENGTH, says=None):
    """Writes a set as docs/formats/tokens.md says, in the order of the tokens.

    says: what the footer says instead.
    """
    folder.mkdir(exist_ok=True)
    count = (len(tokens) - 1) // length
    array = np.array([tokens[i * length : (i + 1) * length + 1] for i in range(count)])
    hashes = []
    for number, begin in enumerate(range(0, count, window)):
        raw = array[begin : begin + window].astype(f"<u{width}").tobytes()
        (folder / f"window-{number:05d}.ebbt").write_bytes(raw)
        hashes.append(hashlib.sha256(raw).digest())
    values = dict(
        length=length,
        width=width,
        window=window,
        sequences=count,
        vocabulary=int(max(tokens)) + 1,
        end=0 if end is None else end + 1,
        documents=0,
        left_out=0,
        seed=1,
    )
    values.update(says or {})
    payload = struct.pack("<9q", *values.values()) + b"".join(hashes)
    front = b"EBBQ" + struct.pack("<qq", 1, len(payload)) + payload
    (folder / "footer.ebbt").write_bytes(front + hashlib.sha256(front).digest())
    return folder


@pytest.fixture
def packed(tmp_path):
    return write(tmp_path / "packed", list(range(100, 130)))


def test_gives_inputs_and_targets(packed):
    tokens = ebb.torch.Tokens(packed)
    assert len(tokens) == 7 and tokens.length == 4 and tokens.vocabulary == 130
    assert tokens.window == 3
    inputs, targets = tokens[1]
    assert inputs.tolist() == [104, 105, 106, 107]
    assert targets.tolist() == [105, 106, 107, 108]
    assert inputs.dtype == targets.dtype == torch.int64
    assert tokens[-1][0].tolist() == tokens[6][0].tolist() == [124, 125, 126, 127]
    assert tokens[torch.tensor(2)][0].tolist() == [108, 109, 110, 111]
    for number in (7, -8):
        with pytest.raises(IndexError, match="has 7 sequences, and no number"):
            tokens[number]
    assert "7 sequences of 4 tokens" in repr(tokens)


def test_wide_tokens(tmp_path):
    tokens = ebb.torch.Tokens(write(tmp_path / "a", [70000, 2**32 - 1, 5, 6, 7], width=4))
    assert tokens[0][0].tolist() == [70000, 2**32 - 1, 5, 6]


def test_tells_the_document_of_each_input(tmp_path):
    path = write(tmp_path / "a", [1, 0, 2, 3, 4, 5, 0, 0, 6], end=0)
    tokens = ebb.torch.Tokens(path, documents=True)
    assert [part.tolist() for part in tokens[0]] == [[1, 0, 2, 3], [0, 2, 3, 4], [0, 0, 1, 1]]
    assert [part.tolist() for part in tokens[1]] == [[4, 5, 0, 0], [5, 0, 0, 6], [0, 0, 0, 1]]
    assert tokens[0][2].dtype == torch.int64
    plain = write(tmp_path / "b", [1, 0, 2, 3, 4])
    with pytest.raises(ebb.Refused, match="nothing tells its documents apart"):
        ebb.torch.Tokens(plain, documents=True)


def test_keeps_a_few_windows_mapped(tmp_path):
    tokens = ebb.torch.Tokens(write(tmp_path / "a", list(range(100)), window=1))
    for number in range(len(tokens)):
        tokens[number]
        tokens[0]
    assert len(tokens) == 24
    assert len(tokens._mapped) == tokens.most_windows and 0 in tokens._mapped


def test_a_copy_reads_the_same_and_checks_again(packed):
    tokens = ebb.torch.Tokens(packed)
    tokens[0]
    copy = pickle.loads(pickle.dumps(tokens))
    assert not copy._mapped and not copy._checked
    assert copy[5][1].tolist() == tokens[5][1].tolist()
    assert copy.fingerprint == tokens.fingerprint


def test_loads_in_other_processes(packed):
    loader = torch.utils.data.DataLoader(ebb.torch.Tokens(packed), 2, num_workers=1)
    assert torch.cat([x for x, _ in loader])[:, 0].tolist() == list(range(100, 127, 4))


def test_names_a_window_that_is_damaged(packed):
    path = packed / "window-00001.ebbt"
    raw = bytearray(path.read_bytes())
    raw[9] ^= 1
    path.write_bytes(raw)
    tokens = ebb.torch.Tokens(packed)
    tokens[2]
    with pytest.raises(ebb.Damaged, match="window-00001.ebbt: window 1 is damaged") as error:
        tokens[3]
    assert "pack again" in error.value.hint
    tokens[6]


# A window is checked once, and again if its file was replaced.
def test_looks_again_at_a_file_that_changed(packed):
    tokens = ebb.torch.Tokens(packed)
    tokens.most_windows = 1
    tokens[0]
    path = packed / "window-00000.ebbt"
    os.replace(packed / "window-00001.ebbt", path)
    tokens[6]
    with pytest.raises(ebb.Damaged, match="window 0"):
        tokens[0]


def test_refuses_a_set_that_is_not_whole(packed):
    path = packed / "window-00002.ebbt"
    raw = path.read_bytes()
    path.write_bytes(raw[:-1])
    with pytest.raises(ebb.Damaged, match="window-00002.ebbt has 9 bytes instead of 10"):
        ebb.torch.Tokens(packed)
    path.unlink()
    with pytest.raises(ebb.Damaged, match="window-00002.ebbt cannot be read"):
        ebb.torch.Tokens(packed)


def test_names_a_window_that_goes_away(packed):
    tokens = ebb.torch.Tokens(packed)
    (packed / "window-00000.ebbt").unlink()
    with pytest.raises(ebb.Damaged, match="window 0 cannot be read"):
        tokens[0]


def test_refuses_every_flip_and_cut_of_the_footer(packed):
    path = packed / "footer.ebbt"
    raw = path.read_bytes()
    for at in range(len(raw)):
        for bad in (raw[:at], raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]):
            path.write_bytes(bad)
            with pytest.raises((ebb.Damaged, ebb.Refused), match="footer.ebbt"):
                ebb.torch.Tokens(packed)
    path.write_bytes(raw + b"x")
    with pytest.raises(ebb.Damaged, match="cut or too long"):
        ebb.torch.Tokens(packed)
    path.write_bytes(raw[:4] + struct.pack("<q", 2) + raw[12:])
    with pytest.raises(ebb.Refused, match="has version 2"):
        ebb.torch.Tokens(packed)


@pytest.mark.parametrize(
    "changes",
    [
        {"length": 0},
        {"width": 3},
        {"window": 0},
        {"window": 2**40},
        {"sequences": 0},
        {"sequences": 70},
        {"end": 131},
        {"end": -1},
    ],
)
def test_refuses_a_footer_that_says_what_cannot_be(tmp_path, changes):
    path = write(tmp_path / "a", list(range(100, 130)), says=changes)
    with pytest.raises(ebb.Damaged, match="says what cannot be"):
        ebb.torch.Tokens(path)


def test_says_where_there_are_tokens(tmp_path, packed):
    with pytest.raises(ebb.NotFound, match="there is no footer.ebbt"):
        ebb.torch.Tokens(tmp_path / "absent")
    with pytest.raises(ebb.NotFound, match="no packed tokens"):
        ebb.torch.Tokens(packed / "footer.ebbt")
    packed.rename(tmp_path / "train")
    with pytest.raises(ebb.NotFound) as error:
        ebb.torch.Tokens(tmp_path)
    assert "train" in error.value.hint
    with pytest.raises(ebb.NotFound) as error:
        ebb.torch.Tokens(tmp_path / "absent")
    assert error.value.hint == "there is no such folder"
    with pytest.raises(ebb.NotFound) as error:
        ebb.torch.Tokens(tmp_path / "train" / "test")
    assert "itself is a set, packed without --split" in error.value.hint
    with pytest.raises(ebb.Refused, match="ftp://host/a"):
        ebb.torch.Tokens("ftp://host/a")


def test_its_fingerprint_is_its_own(tmp_path, packed):
    tokens = ebb.torch.Tokens(packed)
    told = data.fingerprint(tokens, 1, "constants", None)
    assert told.data == tokens.fingerprint and not told.random and not told.drawn
    again = ebb.torch.Tokens(write(tmp_path / "again", list(range(100, 130))))
    assert again.fingerprint == tokens.fingerprint
    other = ebb.torch.Tokens(write(tmp_path / "other", [*range(100, 124), 1, *range(125, 130)]))
    assert other.fingerprint != tokens.fingerprint
    with pytest.raises(ebb.DataDiffers, match="the data set is not that of job a"):
        data.fingerprint(other, 1, "constants", None).compare(str(told), "a", "w")


SERVER = pathlib.Path(__file__).parents[2] / "common/objects/testing/s3_server.py"


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """Puts files into a bucket, and counts what was asked of it."""
    server = subprocess.Popen(
        [sys.executable, "-B", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret/EXAMPLE+key"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", url),
        ("EBB_DATA_CACHE", str(tmp_path / "cache")),
    ):
        monkeypatch.setenv(name, value)

    class Bucket:
        def put(self, folder, name):
            for file in folder.iterdir():
                path = f"{url}/bucket/{name}/{file.name}"
                put = urllib.request.Request(path, data=file.read_bytes(), method="PUT")
                urllib.request.urlopen(put, timeout=10).read()

        def requests(self):
            return int(self.say("/-/faults", b"[]"))

        def say(self, path, body=b""):
            return urllib.request.urlopen(url + path, data=body, timeout=10).read()

    bucket = Bucket()
    bucket.url = url
    bucket.say("/-/public")
    yield bucket
    server.stdin.close()
    server.wait(timeout=10)
    server.stdout.close()


def cached(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache" / "tokens").rglob("*.ebbt"))


def test_reads_windows_of_a_bucket_and_keeps_them(tmp_path, packed, bucket):
    bucket.put(packed, "tok/train")
    tokens = ebb.torch.Tokens("s3://bucket/tok/train")
    here = ebb.torch.Tokens(packed)
    assert tokens.fingerprint == here.fingerprint and cached(tmp_path) == []
    assert [x.tolist() for x, _ in tokens] == [x.tolist() for x, _ in here]
    assert cached(tmp_path) == ["window-00000.ebbt", "window-00001.ebbt", "window-00002.ebbt"]
    before = bucket.requests()
    again = ebb.torch.Tokens("s3://bucket/tok/train")
    assert again[6][0].tolist() == here[6][0].tolist()
    assert bucket.requests() - before == 1  # The footer.
    # A web server has the same files, and they are the same set.
    web = ebb.torch.Tokens(bucket.url + "/bucket/tok/train")
    assert web[3][1].tolist() == here[3][1].tolist()


def test_fetches_again_what_the_cache_lost_or_damaged(tmp_path, packed, bucket):
    bucket.put(packed, "tok")
    here = ebb.torch.Tokens(packed)
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(b"no tokens")):
        tokens = ebb.torch.Tokens("s3://bucket/tok")
        tokens[0]
        for path in (tmp_path / "cache" / "tokens").rglob("window-00000.ebbt"):
            harm(path)
        tokens = ebb.torch.Tokens("s3://bucket/tok")
        assert tokens[0][0].tolist() == here[0][0].tolist()
    # The bucket itself has a damaged window.
    (packed / "window-00001.ebbt").write_bytes(b"x" * 30)
    bucket.put(packed, "tok")
    with pytest.raises(ebb.Damaged, match="s3://bucket/tok/window-00001.ebbt: window 1 is damaged"):
        ebb.torch.Tokens("s3://bucket/tok")[3]


def test_processes_that_want_one_window_fetch_it_once(tmp_path, packed, bucket):
    """Bug: each wrote into one file, and removed that of the other."""
    bucket.put(packed, "tok")
    code = "import sys, ebb.torch; print(ebb.torch.Tokens('s3://bucket/tok')[0][0].tolist())"
    before = bucket.requests()
    several = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert {one.communicate()[0] for one in several} == {"[100, 101, 102, 103]\n"}
    # Each asks for the footer, and one for the window.
    assert bucket.requests() - before == 5


def test_data_workers_read_a_bucket(packed, bucket):
    bucket.put(packed, "tok")
    here = ebb.torch.Tokens(packed)
    loader = torch.utils.data.DataLoader(ebb.torch.Tokens("s3://bucket/tok"), 2, num_workers=2)
    read = [row.tolist() for x, _ in loader for row in x]
    assert read == [x.tolist() for x, _ in here]


def test_waits_for_a_bucket_that_is_away(packed, bucket, monkeypatch):
    bucket.put(packed, "tok")
    tokens = ebb.torch.Tokens("s3://bucket/tok")
    calls = []

    def call(arguments):
        calls.append(arguments)
        if len(calls) < 3:
            raise ebb.errors.Unavailable("it does not answer")
        return whole(arguments)

    whole = token_files.command.call
    monkeypatch.setattr(token_files.command, "call", call)
    monkeypatch.setattr(token_files, "_PAUSE_S", 0.01)
    with pytest.warns(ebb.Warning, match="it is tried again"):
        assert tokens[0][0].tolist() == [100, 101, 102, 103]
    assert len(calls) == 3
    assert ebb.command.error_of_text("s3://b/a: status 503", 75, "data").__class__ is ebb.Unavailable


def test_the_bound_of_the_cache_is_a_size(monkeypatch):
    for text, size in (("9GiB", 9 << 30), ("64 MiB", 64 << 20), ("1k", 1024), ("77", 77)):
        monkeypatch.setenv("EBB_DATA_CACHE_BYTES", text)
        assert token_files.cache_bytes() == size
    for text in ("-1", "much", "GiB"):
        monkeypatch.setenv("EBB_DATA_CACHE_BYTES", text)
        with pytest.raises(ebb.Refused, match="EBB_DATA_CACHE_BYTES"):
            ebb.torch.Tokens("s3://bucket/tok")


def test_a_cache_that_cannot_be_written(tmp_path, packed, bucket, monkeypatch):
    bucket.put(packed, "tok")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EBB_DATA_CACHE", str(tmp_path / "file"))
    with pytest.raises(ebb.Refused, match="the cache of packed tokens cannot be written"):
        ebb.torch.Tokens("s3://bucket/tok")[0]


def test_the_cache_has_a_bound(tmp_path, packed, bucket, monkeypatch):
    bucket.put(packed, "tok")
    monkeypatch.setenv("EBB_DATA_CACHE_BYTES", "60")  # A window has 30 bytes.
    tokens = ebb.torch.Tokens("s3://bucket/tok")
    for number in (0, 3, 6):
        tokens[number]
        for age, path in enumerate(sorted((tmp_path / "cache" / "tokens").rglob("*.ebbt"))):
            os.utime(path, (age, age))
    assert cached(tmp_path) == ["window-00001.ebbt", "window-00002.ebbt"]


def test_says_what_a_bucket_lacks(packed, bucket):
    with pytest.raises(ebb.NotFound, match="s3://bucket/none has no packed tokens") as error:
        ebb.torch.Tokens("s3://bucket/none")
    assert "/train" in error.value.hint
    with pytest.raises(ebb.Refused, match="signed") as error:
        ebb.torch.Tokens("https://host/train?signature=secret")
    assert "secret" not in str(error.value)


def run(*arguments):
    program = os.path.join(os.environ["EBB_BIN"], "ebb")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


def test_reads_what_ebb_packs(tmp_path):
    text = b"".join(b"%d " % number for number in range(3000))
    (tmp_path / "a.txt").write_bytes(text)
    dest = tmp_path / "packed"
    flags = ["--tokens", 16, "--split", 0.1, "--window", 64]
    made = run("data", "pack", *flags, tmp_path / "a.txt", dest)
    assert made.returncode == 0, made.stderr
    parts = {}
    for part in ("train", "test"):
        tokens = ebb.torch.Tokens(dest / part, documents=True)
        assert tokens.vocabulary == 257
        parts[part] = [bytes(x.tolist() + [min(int(y[-1]), 255)]) for x, y, _ in tokens]
    cut = len(text) + 1 - round((len(text) + 1) * 0.1)
    whole = {"train": text[:cut], "test": text[cut:] + b"\xff"}
    for part, sequences in parts.items():
        expected = [whole[part][at : at + 17] for at in range(0, len(whole[part]) - 16, 16)]
        assert sorted(sequences) == sorted(expected) and sequences != expected
    said = run("data", "verify", dest)
    assert said.returncode == 0 and "all of them sound" in said.stdout
    line = run("data", "cat", dest / "train", "--from", 3, "--count", 1).stdout
    assert bytes(map(int, line.split())) == parts["train"][3]
    path = dest / "train" / "window-00001.ebbt"
    raw = bytearray(path.read_bytes())
    raw[0] ^= 1
    path.write_bytes(raw)
    said = run("data", "verify", dest)
    assert said.returncode == 1 and "window-00001.ebbt: window 1 is damaged" in said.stderr


def test_packing_refuses_by_the_name_of_the_flag(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    for flags, words in (
        (["--dtype", "uint16"], "--dtype: only --tokens takes it"),
        (["--document-end", "3"], "--document-end: only --tokens takes it"),
        (["--tokens", "1", "--raw"], "--raw: tokens are never compressed"),
        (["--tokens", "9"], "a sequence takes 10"),
    ):
        said = run("data", "pack", tmp_path / "a.txt", tmp_path / "packed", *flags)
        assert said.returncode != 0 and words in said.stderr, said.stderr
        assert not (tmp_path / "packed").exists()


def mean_loss(model, dataset):
    with torch.no_grad():
        x, y = (torch.stack(part) for part in zip(*dataset))
        return float(F.cross_entropy(model(x).flatten(0, 1), y.flatten()))


class Bigrams(torch.nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.next = torch.nn.Parameter(torch.zeros(vocabulary, vocabulary))

    def forward(self, x):
        return self.next[x]


def test_a_job_goes_from_window_to_window(tmp_path):
    text = [number % 7 for number in range(2000)]
    tokens = ebb.torch.Tokens(write(tmp_path / "train", text, window=64, length=8))
    assert data.positions_of(tokens) == {"examples": 249, "tokens": 8, "window": 64}
    # A part of a set has lost its windows, and one window leaves nothing to choose.
    half = torch.utils.data.Subset(tokens, range(100))
    assert data.positions_of(half) == {"examples": 100, "tokens": 8}
    whole = ebb.torch.Tokens(write(tmp_path / "whole", text, window=249, length=8))
    assert data.positions_of(whole) == {"examples": 249, "tokens": 8}
    model = Bigrams(tokens.vocabulary)
    used = []
    with ebb.local.cluster() as cluster:
        job = ebb.torch.job(
            "windows",
            model,
            tokens,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
            batch=16,
            seed=3,
            scheduler=cluster.address,
        )
        for batch in job:
            used += batch.examples.tolist()
            job.optimizer.zero_grad()
            model.next.sum().backward()
            job.optimizer.step()
        assert job.audit().exact
    for epoch in (used[:249], used[249:]):
        assert sorted(epoch) == list(range(249)) and epoch != sorted(epoch)
        windows = [number // 64 for number in epoch]
        assert len([1 for a, b in zip(windows, windows[1:]) if a != b]) == 3
    assert used[:249] != used[249:]


def keys_for(tokens, local=None, **options):
    model = Bigrams(tokens.vocabulary)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    chosen = Chosen(optimizer=optimizer, local=local, epochs=1, **options)
    return job_keys.keys_of("a", inputs.read(model, tokens, chosen), chosen)["data"]["train"]


def test_windows_that_do_not_fit_are_left_out_and_said(tmp_path):
    """Bug: a run that does not divide the window was refused."""
    tokens = ebb.torch.Tokens(write(tmp_path / "a", list(range(4000)), window=400))
    runs = ebb.torch.DiLoCo(steps=10)
    for options in ({}, {"batch": 7}, {"batch": 40, "local": runs}, {"local": runs}):
        assert keys_for(tokens, **options)["positions"]["window"] == 400
    for options in (
        {"batch": 401},
        {"batch": 16, "local": runs},
        {"settings": {"train": {"item_examples": 150}}},
    ):
        with pytest.warns(ebb.Warning, match="the 400 examples of a window"):
            assert "window" not in keys_for(tokens, **options)["positions"]


def test_the_caller_may_say_what_the_positions_are(tmp_path):
    tokens = ebb.torch.Tokens(write(tmp_path / "a", list(range(4000)), window=400))
    given = {"data": {"train": {"positions": 999}}}
    assert keys_for(tokens, batch=401, settings=given)["positions"] == 999


def test_packing_makes_windows_for_runs_of_fifty_batches(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abcdefgh" * 200)
    said = run("data", "pack", "--tokens", 8, tmp_path / "a.txt", tmp_path / "packed")
    assert said.returncode == 0, said.stderr
    window = ebb.torch.Tokens(tmp_path / "packed").window
    # A sequence takes 18 bytes, and a window 64 MiB at most.
    assert window == 50 * 2**16


def test_a_job_trains_on_tokens_and_tells_their_perplexity(tmp_path):
    text = [number * number % 11 for number in range(2000)]
    tokens = ebb.torch.Tokens(write(tmp_path / "train", text, window=64, length=8))
    held_out = ebb.torch.Tokens(write(tmp_path / "test", text[:200], length=8))
    model = Bigrams(tokens.vocabulary)
    with ebb.local.cluster(servers=2) as cluster:
        job = ebb.torch.job(
            "tokens",
            model,
            tokens,
            optimizer=torch.optim.Adam(model.parameters(), lr=0.1),
            epochs=4,
            batch=16,
            evaluate=lambda model: mean_loss(model, held_out),
            scheduler=cluster.address,
        )
        assert job.status()["example_tokens"] == 8
        for x, y in job.loader(num_workers=1):
            assert x.shape == y.shape and x.shape[1] == 8
            job.optimizer.zero_grad()
            F.cross_entropy(model(x).flatten(0, 1), y.flatten()).backward()
            job.optimizer.step()
        audit = job.audit()
        assert audit.exact and audit.all["example_tokens"] == 8
        last = [row for row in job.history if row.get("test_perplexity") is not None][-1]
        assert last["test_perplexity"] == pytest.approx(math.exp(last["test_loss"]), rel=1e-4)
        assert last["test_perplexity"] < 6
        other = ebb.torch.Tokens(write(tmp_path / "other", text[::-1], window=64, length=8))
        late = Bigrams(tokens.vocabulary)
        with pytest.raises(ebb.DataDiffers, match="the data set is not that of job tokens"):
            ebb.torch.join(
                "tokens",
                late,
                other,
                optimizer=torch.optim.Adam(late.parameters(), lr=0.1),
                scheduler=cluster.address,
            )
