"""Tests of ebb.local: daemons that come, die, come back and end."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import ebb
from ebb import local, temporary


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_starts_and_leaves_nothing_behind() -> None:
    with local.cluster(servers=2, workers=1) as cluster:
        assert cluster.servers == ["ps-0", "ps-1"]
        assert cluster.workers == ["worker-0"]
        assert wait_for(lambda: len(cluster.processes) == 4)
        pids = list(cluster.processes.values())
        folder = cluster.folder
        assert os.path.exists(os.path.join(folder, "owner.lock"))
        status = subprocess.run(
            [ebb.programs.path_of("ebb"), "status", "--json"],
            env={**os.environ, "EBB_SCHEDULER": cluster.address},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert '"ps-1"' in status.stdout
    assert not any(alive(pid) for pid in pids)
    assert not os.path.exists(folder)
    cluster.close()
    with pytest.raises(ebb.Unavailable, match="closed"):
        cluster.check()


def test_a_daemon_that_is_killed_comes_back() -> None:
    with local.cluster(servers=1, workers=1) as cluster:
        assert wait_for(lambda: len(cluster.processes) == 3)
        for daemon in ("scheduler", "ps-0", "worker-0"):
            before = cluster.processes[daemon]
            assert cluster.kill(daemon)
            assert wait_for(
                lambda: cluster.processes.get(daemon, before) != before
            ), daemon
        cluster.check()
        assert cluster.problems == []


def test_an_error_has_the_last_words_of_the_daemon() -> None:
    with pytest.raises(ebb.Unavailable) as caught:
        local.cluster(server_flags=["--no-such-flag"])
    assert "ps-0 exited with 2" in str(caught.value)
    assert "--no-such-flag" in str(caught.value)


def test_a_daemon_that_keeps_refusing_is_given_up() -> None:
    with local.cluster(worker_flags=["--no-such-flag"]) as cluster:
        cluster.add_worker()
        assert wait_for(lambda: bool(cluster.problems))
        with pytest.raises(ebb.Unavailable, match="worker-0 is given up"):
            cluster.check()


def test_refuses_wrong_numbers() -> None:
    with pytest.raises(ebb.Refused, match="servers=0"):
        local.cluster(servers=0)
    with pytest.raises(ebb.Refused, match="workers=-1"):
        local.cluster(workers=-1)


def test_an_empty_flag_is_a_flag_of_its_own() -> None:
    with pytest.raises(ebb.Unavailable) as caught:
        local.cluster(server_flags=["", "--bulk=off"])
    assert "ps-0 exited with 2" in str(caught.value)
    assert "--bulk" not in str(caught.value)


def test_words_of_a_program_may_have_any_bytes(tmp_path, monkeypatch) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"gr\xfc\xdfe")
    os.mkdir(folder)
    monkeypatch.chdir(folder)
    seen = tmp_path / "seen"
    program = f'{{ pwd; echo "$1"; echo "$OWN"; }} > {seen}'
    with local.cluster() as cluster:
        cluster.run_program(
            "one",
            ["/bin/sh", "-c", program, "sh", os.fsdecode(b"\xe9")],
            environment={"OWN": os.fsdecode(b"\xff=1\n2")},
        )
        assert wait_for(lambda: cluster.finished("one"))
    assert seen.read_bytes() == folder + b"\n\xe9\n\xff=1\n2\n"


def test_a_folder_of_the_callers_stays_and_goes_on(tmp_path) -> None:
    with local.cluster(folder=str(tmp_path)) as cluster:
        assert "ps-0" in cluster.processes
    assert (tmp_path / "state" / "ps-0").is_dir()
    with local.cluster(folder=str(tmp_path)):
        pass


def test_a_program_that_ends_badly_is_started_again(tmp_path) -> None:
    said = tmp_path / "said"
    said.touch()
    with local.cluster() as cluster:
        program = f"date +%s%N >> {said}; [ $(wc -l < {said}) -gt 2 ] || exit 5"
        cluster.run_program("one", ["/bin/sh", "-c", program])
        assert wait_for(lambda: cluster.finished("one"))
        ends = [end for end in cluster.ends if end.name == "one"]
        assert [end.code for end in ends] == [5, 5, 0]
        assert str(ends[0]) == "one ended with exit code 5"
        assert "one" not in cluster.processes
    assert cluster.finished("one")
    # It never comes back at once: many in a loop would take the machine.
    first, second, third = (int(line) / 1e9 for line in said.read_text().split())
    assert second - first > 0.05 and third - second > 0.1


def test_a_program_is_stopped_as_by_ctrl_c(tmp_path) -> None:
    with local.cluster() as cluster:
        loop = "trap 'echo asked; exit 3' INT; echo up; while :; do sleep 0.01; done"
        cluster.run_program("one", ["/bin/sh", "-c", loop])
        assert wait_for(lambda: "up" in cluster.log("one"))
        cluster.stop_program("one")
        assert wait_for(lambda: "one" not in cluster.processes)
        assert "asked" in cluster.log("one")
        assert cluster.ends[-1].code == 3
        assert not cluster.finished("one")
        assert not cluster.signal("one", signal.SIGTERM)
        with pytest.raises(ebb.Refused, match="no daemon has the name two"):
            cluster.log("two")


def test_nothing_is_left_if_the_keeper_is_killed() -> None:
    with local.cluster(workers=1) as cluster:
        pids = cluster.processes.values()
        keeper = cluster._keeper._process
        keeper.kill()
        keeper.wait()
        with pytest.raises(ebb.Unavailable, match="has ended, and the daemons"):
            cluster.check()
        assert wait_for(lambda: not any(alive(pid) for pid in pids))
    assert not os.path.exists(cluster.folder)


def test_what_cannot_be_done_says_why(tmp_path) -> None:
    with local.cluster() as cluster:
        with pytest.raises(ebb.Unavailable, match="Argument list too long"):
            cluster.run_program("one", ["/bin/true"], environment={"A": "a" * 200_000})
        with pytest.raises(ebb.Unavailable, match="ps-0 is the name of a daemon"):
            cluster.run_program("ps-0", ["/bin/true"])
        with pytest.raises(ebb.Unavailable, match="no process has the name two"):
            cluster.stop_program("two")
        with pytest.raises(ebb.Refused, match="no signal has this number"):
            cluster.signal("ps-0", 999)
        with pytest.raises(ebb.Refused, match="is not UTF-8"):
            cluster.stop_program("\udcff")
        for name in "", "../one", "a\nb", "\udcff":
            with pytest.raises(ebb.Refused, match="name="):
                cluster.run_program(name, ["/bin/true"])
        with pytest.raises(ebb.Refused, match="zero byte"):
            cluster.run_program("three", ["/bin/echo", "a\0b"])
        with pytest.raises(ebb.Refused, match="no program has the name four"):
            cluster.finished("four")
        os.rename(os.path.join(cluster.folder, "logs"), tmp_path / "logs")
        with pytest.raises(ebb.Unavailable, match="worker-0.log"):
            cluster.add_worker()
        assert cluster.workers == []
        os.rename(tmp_path / "logs", os.path.join(cluster.folder, "logs"))
        assert cluster.add_worker() == "worker-0"
        cluster.check()


def test_a_program_is_of_this_cluster_whatever_the_environment_says(tmp_path) -> None:
    seen = tmp_path / "seen"
    with local.cluster() as cluster:
        cluster.run_program(
            "one",
            ["/bin/sh", "-c", f'echo "$EBB_SCHEDULER $EBB_NAME" > {seen}'],
            environment={"EBB_SCHEDULER": "10.0.0.1:1", "EBB_NAME": "other"},
        )
        assert wait_for(lambda: cluster.finished("one"))
    assert seen.read_text() == f"{cluster.address} one\n"


def test_a_request_that_is_interrupted_costs_no_daemon() -> None:
    with local.cluster() as cluster:
        before = cluster.processes
        keeper = cluster._keeper._process
        keeper.send_signal(signal.SIGSTOP)
        # More than the pipe takes: it blocks half-way.
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            cluster.run_program("one", ["/bin/true"], environment={"A": "a" * 400_000})
        timer.join()
        keeper.send_signal(signal.SIGCONT)
        assert cluster.processes == before
        cluster.check()


def test_a_keeper_that_stands_still_is_killed_at_the_end(monkeypatch) -> None:
    monkeypatch.setattr("ebb.keeper._STANDS_STILL_S", 0.2)
    with local.cluster() as cluster:
        pids = cluster.processes.values()
        cluster._keeper._process.send_signal(signal.SIGSTOP)
    assert wait_for(lambda: not any(alive(pid) for pid in pids))
    assert not os.path.exists(cluster.folder)


def test_a_folder_has_one_cluster_at_a_time(tmp_path) -> None:
    with local.cluster(folder=str(tmp_path)):
        with pytest.raises(ebb.Unavailable, match="choose another folder"):
            local.cluster(folder=str(tmp_path))


SCRIPT = """
import ebb.local, sys, time
cluster = ebb.local.cluster(servers=1, workers=1)
while len(cluster.processes) < 3: time.sleep(0.01)
print(cluster.folder, *cluster.processes.values(), flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "time.sleep(60)"])
def test_ends_with_the_process(end: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(end=end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    folder, *pids = child.stdout.readline().split()
    if "sleep" in end:
        child.send_signal(signal.SIGKILL)
    child.wait(20)
    child.stdout.close()
    assert wait_for(lambda: not any(alive(int(pid)) for pid in pids))
    if "sleep" not in end:
        assert not os.path.exists(folder)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(folder) -> list:
    """Returns the numbers of the processes whose command line names the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                if os.fsencode(folder) in line.read() and alive(int(pid)):
                    found.append(int(pid))
        except OSError:
            pass  # It has ended.
    return found


def test_a_process_that_dies_during_the_start_leaves_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    process = subprocess.Popen(
        [sys.executable, "-c", "import ebb.local; ebb.local.cluster(servers=3)"]
    )
    assert wait_for(lambda: list(tmp_path.glob("ebb-*/logs/scheduler.log")))
    process.kill()
    process.wait()
    # The next cluster must not take the folder away from under them.
    while processes_of(tmp_path):
        temporary.sweep()
        time.sleep(0.02)

    def swept() -> bool:
        temporary.sweep()
        return not list(tmp_path.iterdir())

    # A process that is ending has no command line, and may hold the lock still.
    assert wait_for(swept)


def test_ends_with_the_process_though_a_forked_child_stays() -> None:
    fork = "import os\nif pid := os.fork(): print(pid, flush=True)\ntime.sleep(600)"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(end=fork)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    folder, *pids = process.stdout.readline().split()
    forked = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    try:
        assert wait_for(lambda: not any(alive(int(pid)) for pid in pids))
        assert alive(forked)
    finally:
        os.kill(forked, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_thread_that_ends_takes_no_daemon_with_it() -> None:
    import threading

    made = []
    thread = threading.Thread(target=lambda: made.append(local.cluster()))
    thread.start()
    thread.join()
    with made[0] as cluster:
        before = cluster.processes
        time.sleep(0.3)
        assert cluster.processes == before


def test_a_forked_child_leaves_it_alone() -> None:
    with local.cluster() as cluster:
        pid = os.fork()
        if pid == 0:
            cluster.close()
            left_alone = not cluster.processes
            with pytest.raises(ebb.Unavailable, match="forked"):
                cluster.add_worker()
            os._exit(0 if left_alone else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert all(alive(one) for one in cluster.processes.values())
