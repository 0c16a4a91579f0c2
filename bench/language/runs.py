"""Makes the runs of the cases, each in processes of its own."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Tuple

import ebb_program
import loss_curve
import market_trace
import processes
import sequences
from cases import Case
from made_up_job import MadeUpJob
from processes import Failed

import ebb.local

HERE = Path(__file__).resolve().parent
Figures = Dict[str, Any]
_LOOK_S = 0.1
_LIMIT_S = 7200.0
#: How long other replicas of torchft have when one has made all steps.
_AFTER_S = 20.0
_SERVERS = 2
#: So many that a round of all workers is a small part of an epoch.
_MARKET_EXAMPLES = 24_000

#: One copy in rounds, of which nothing takes longer than it must.
_UNDISTURBED: Mapping[str, Any] = {
    "outer_rate": None, "outer_momentum": None, "warm_up": None, "rounds": True, "filters": None,
    "copies": 1, "kills": {}, "batch_time": 0.0, "network": False, "epochs": 1,
}


class Runs:
    """python: the interpreter of the programs, which has PyTorch. torchft_python: that of
    torchft. torchft: the folder into which pip puts torchft for it."""

    def __init__(self, python: str, torchft_python: str, torchft: Path) -> None:
        self._python, self._torchft_python, self._torchft = python, torchft_python, torchft

    def take(self, case: Case) -> Figures:
        """Makes the run, and returns its figures. Raises Failed."""
        make = {
            "one_process": self._one_process,
            "late": self._late,
            "ddp": self._ddp,
            "diloco": self._diloco,
            "torchft": self._torchft_run,
            "market": self._market,
            "speed": self._speed,
        }
        return make[case.settings["program"]](case.settings)

    def look(self, settings: Mapping[str, Any], batches: int) -> Figures:
        """Trains a few batches in one process: what a batch costs."""
        return self._one_process({**settings, "most_batches": batches})

    # --- One process, and DDP ----------------------------------------------

    def _one_process(self, settings: Mapping[str, Any]) -> Figures:
        return self._result("one_process_program.py", json.dumps(settings))

    def _late(self, settings: Mapping[str, Any]) -> Figures:
        return self._result("late_program.py", json.dumps(settings))

    def _ddp(self, settings: Mapping[str, Any]) -> Figures:
        with _folder() as folder:
            result = self._result("ddp_program.py", json.dumps(settings), str(folder))
            result.update(_counted(folder, "*.used", result, settings))
            result["curve"] = loss_curve.curve(_losses(folder), _batch_tokens(settings))
        return result

    def _result(self, program: str, *words: str) -> Figures:
        started = processes.start([str(HERE / program), *words], python=self._python)
        return processes.result_of(started, _LIMIT_S)

    # --- ebb.torch ----------------------------------------------------------

    def _diloco(self, settings: Mapping[str, Any]) -> Figures:
        copies = [f"copy-{i}" for i in range(settings["copies"])]
        argv = [self._python, "-B", str(HERE / "diloco_program.py"), json.dumps(settings)]
        environment = {**os.environ, **processes.ONE_THREAD}
        # Pulls through shared memory travel as float32, whatever the filters say.
        flags = ["--shared-memory=off"] if settings["network"] else []
        with _folder() as folder, ebb.local.cluster(servers=_SERVERS, server_flags=flags) as cluster:
            for name in copies:
                cluster.run_program(name, [*argv, str(folder)], environment=environment)
            there = {
                "copy": copies,
                "server": [f"ps-{i}" for i in range(_SERVERS)],
                "scheduler": ["scheduler"],
            }
            kills = _Kills(settings["kills"], there, settings["seed"], cluster.kill)
            began = time.monotonic()
            while not all(map(cluster.finished, copies)):
                cluster.check()
                if time.monotonic() - began > _LIMIT_S:
                    raise Failed(f"the copies took more than {_LIMIT_S:g} s:\n{cluster.log(copies[0])}")
                kills.look()
                time.sleep(_LOOK_S)  # Nothing tells which of several processes ends first.
            result: Figures = json.loads((folder / "result.json").read_text())
            computed = sequences.read(folder.glob("*.computed"))
            losses = _losses(folder)
        audit = result["audit"]
        traffic = result.pop("status")["traffic"]
        result.update(
            traffic,
            exact=audit["exact"],
            lost=audit["missing"],
            doubled=audit["doubled"],
            recomputed=len(computed) - settings["epochs"] * result["sequences"],
            killed=kills.done,
            took_seconds=time.monotonic() - began,
            curve=loss_curve.curve(losses, _batch_tokens(settings)),
            kills_at=[
                (kind, loss_curve.tokens_at(losses, at, _batch_tokens(settings)))
                for kind, at in kills.times
            ],
        )
        return result

    # --- torchft ------------------------------------------------------------

    def _torchft_run(self, settings: Mapping[str, Any]) -> Figures:
        more = {"PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(self._torchft)])}
        program, workers = str(HERE / "torchft_program.py"), settings["workers"]
        self._install()
        with _folder() as folder, _Lighthouse(self._torchft_python, program, workers, more) as address:
            replicas: Dict[str, "subprocess.Popen[str]"] = {}

            def begin(name: str) -> None:
                words = [program, json.dumps(settings), str(folder), name, address]
                with (folder / f"{name}.log").open("a") as log:
                    replicas[name] = subprocess.Popen(
                        [self._torchft_python, "-B", *words],
                        env={**os.environ, **processes.ONE_THREAD, **more},
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    )

            def kill(name: str) -> bool:
                if replicas[name].poll() is not None:
                    return False
                replicas[name].kill()
                replicas[name].wait()
                begin(name)
                return True

            names = [f"copy-{i}" for i in range(workers)]
            try:
                for name in names:
                    begin(name)
                kills = _Kills(settings["kills"], {"copy": names}, settings["seed"], kill)
                began = time.monotonic()
                ended = 0.0
                while True:
                    late = time.monotonic() - began > settings["limit_s"]
                    failed = [name for name, one in replicas.items() if one.poll() not in (None, 0)]
                    if late or failed:
                        said = (folder / f"{(failed or names)[0]}.log").read_text().strip()
                        why = "ended with an error" if failed else "did not end"
                        raise Failed(f"a replica of torchft {why}: {said[-600:]}")
                    # One that has ended has the result. Alone, another never makes a step.
                    done = [one.poll() == 0 for one in replicas.values()]
                    ended = (ended or time.monotonic()) if any(done) else 0.0
                    if all(done) or (ended and time.monotonic() > ended + _AFTER_S):
                        break
                    if not ended:
                        kills.look()
                    time.sleep(_LOOK_S)
            finally:
                for one in replicas.values():
                    one.kill()
                    one.wait()
            results = [json.loads(file.read_text()) for file in folder.glob("*.result")]
            result: Figures = results[0]
            result["digests"] = len({one["digest"] for one in results})
            result.update(_counted(folder, "*.used", result, settings))
            result.update(killed=kills.done, took_seconds=time.monotonic() - began)
        return result

    def _install(self) -> None:
        """Puts torchft into its folder, unless it is there."""
        if (self._torchft / "torchft").exists():
            return
        into = [self._torchft_python, "-m", "pip", "install", "--quiet", "--target", str(self._torchft)]
        # PyTorch is there; pip would bring another.
        for words in (
            ["--no-deps", "torchft"],
            ["opentelemetry-sdk>=1.39.0", "opentelemetry-exporter-otlp-proto-http>=1.39.0"],
        ):
            done = subprocess.run([*into, *words], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                shutil.rmtree(self._torchft, ignore_errors=True)
                raise Failed(f"torchft was not installed: {done.stderr.strip()[-300:]}")

    # --- Speed, and markets -------------------------------------------------

    def _speed(self, settings: Mapping[str, Any]) -> Figures:
        """Takes turns; a copy has as many sequences as the loop without ebb."""
        ratios: List[float] = []
        cpu: List[float] = []
        for pair in range(settings["pairs"]):
            sides: Dict[str, Figures] = {}
            for side in ("ours", "bare") if pair % 2 else ("bare", "ours"):
                if side == "bare":
                    sides[side] = self._one_process({**settings, "steps": 0})
                else:
                    copy = {**settings, **_UNDISTURBED, "characters": _characters(settings)}
                    copy["logs"] = False  # The loop without ebb has none.
                    sides[side] = self._diloco(copy)
            bare, ours = sides["bare"], sides["ours"]
            each = [one["seconds"] / one["batches"] for one in (bare, ours)]
            ratios.append(each[0] / each[1])
            each = [one["cpu_seconds"] / one["batches"] for one in (bare, ours)]
            cpu.append(each[0] / each[1])
        return {"ratios": ratios, "cpu_ratios": cpu, "batches": bare["batches"]}

    def _market(self, settings: Mapping[str, Any]) -> Figures:
        steps = settings["steps"]
        trace = Path(settings["trace"]).resolve()
        most = max(1, market_trace.peak(trace.read_text()))
        kind, examples = settings["consistency"], settings["runs"] * most * steps
        rule = (
            f"algorithm: {{kind: diloco, inner: {{kind: adamw, rate: 0.001}}, period: {steps}}}\n"
            f"consistency: {{kind: {kind}" + (f", examples: {examples}}}" if examples else "}")
        )
        with MadeUpJob("batch: 1", rule=rule, examples=_MARKET_EXAMPLES) as job:
            run = ebb_program.Run(
                ["chaos", str(job.file), "--trace", str(trace), "--speed", f"{settings['speed']!r}"]
                + ["--warm-up", "15s", "--end-after", f"{settings['seconds']:.9f}s"]
                + ["--batch-time", f"{settings['batch_time']:.9f}s", "--set", f"workers.max={most}"],
                job.run_folder,
            )
            run.follow(lambda status: None)
            report = run.report
        if report["problems"] or not report.get("goodput"):
            raise Failed("; ".join(report["problems"]) or "the run had no goodput")
        goodput, audit = report["goodput"], report["audit"] or {}
        return {
            "goodput": goodput["value"],
            "seconds": goodput["to_seconds"] - goodput["from_seconds"],
            "worker_seconds": goodput["worker_seconds"],
            "events": len(report["events"]),
            "doubled": audit.get("doubled"),
        }


def _losses(folder: Path) -> loss_curve.Losses:
    return loss_curve.read(folder.glob("*.losses"))


def _batch_tokens(settings: Mapping[str, Any]) -> int:
    return int(settings["batch"] * settings["context"])


def _characters(settings: Mapping[str, Any]) -> int:
    """The characters whose training part has ``most_batches``, and a group to spare."""
    sequences_there = (settings["most_batches"] + 40) * settings["batch"]
    return int(sequences_there * settings["context"] / 0.9)


def _counted(
    folder: Path, pattern: str, result: Figures, settings: Mapping[str, Any]
) -> Figures:
    used = sequences.read(folder.glob(pattern))
    counted = sequences.count(used, result["sequences"], settings["epochs"])
    return {"lost": counted.lost, "doubled": counted.doubled}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ebb_language_") as folder:
        yield Path(folder)


class _Kills:
    """Kills each kind of process as often as it should.

    every: seconds between kills, by kind. kill: returns whether it ran.
    """

    def __init__(
        self,
        every: Mapping[str, float],
        there: Mapping[str, List[str]],
        seed: int,
        kill: Callable[[str], bool],
    ) -> None:
        self.done: Dict[str, int] = dict.fromkeys(every, 0)
        self.times: List[Tuple[str, float]] = []  # The clock is monotonic.
        self._every, self._there, self._kill = every, there, kill
        self._chance = random.Random(seed)
        begun = time.monotonic()
        self._next = {kind: begun + seconds for kind, seconds in every.items()}

    def look(self) -> None:
        for kind, at in self._next.items():
            if time.monotonic() < at:
                continue
            self._next[kind] = at + self._every[kind]
            if self._kill(self._chance.choice(self._there[kind])):
                self.done[kind] += 1
                self.times.append((kind, time.monotonic()))


class _Lighthouse:
    """torchft's own server, which knows the replicas; its address is what ``with`` names."""

    def __init__(self, python: str, program: str, replicas: int, more: Mapping[str, str]) -> None:
        # A file, as it logs each round: a pipe would be full, and it would wait.
        self._said = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [python, "-B", program, "lighthouse", str(replicas)],
            env={**os.environ, **more},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True,
        )

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        if not address:
            self._process.wait()
            self._said.seek(0)
            said = self._said.read().strip().splitlines() or ["nothing"]
            self.__exit__()
            raise Failed(f"torchft's lighthouse did not start: {said[-1]}")
        return address

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        self._said.close()


def versions(python: str) -> str:
    """Names Python and PyTorch of the programs, and the model: figures of others are
    measured again."""
    words = (
        "import platform, torch; "
        "print('Python', platform.python_version() + ', PyTorch', torch.__version__)"
    )
    done = subprocess.run([python, "-c", words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{python} has no PyTorch: apt-get install python3-torch, or name another by --python")
    files = (HERE.parents[1] / "examples" / "python" / "gpt.py", HERE / "small_gpt.py")
    model = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{done.stdout.strip()}, model {model[:8]}"


def default_python() -> str:
    return sys.executable
