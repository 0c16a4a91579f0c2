"""Calls the ``ebb`` program, and turns what it says into values and errors."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union

from ebb import programs
from ebb.errors import Error, NotFound, Refused, Unavailable, Warning

#: ``"folder/name"`` for folder/name.pem, folder/name.key and folder/ca.pem, as
#: ``ebb certs`` writes them; the folder alone, for the certificate of the role
#: that is needed; or the three paths.
Tls = Union[str, Tuple[str, str, str]]

_HINT = "  hint: "
_NOBODY = "no scheduler listens at "
# A command that did nothing, and may succeed in a moment, says one of these.
_PASSING = (_NOBODY, "Try again when it is back")
_AGAIN_S = 0.2
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
# Variables that say nothing about one cluster.
_NO_FLAGS = (
    "EBB_BIN",
    "EBB_PYTHON",
    "EBB_TRACEBACK",
    "EBB_DATA_CACHE",
    "EBB_DATA_CACHE_BYTES",
)
# Names what the program calls by its flags, as callers of Python know it.
_WORDS = (
    (r"--scheduler HOST:PORT or EBB_SCHEDULER", 'scheduler="HOST:PORT" or EBB_SCHEDULER'),
    (r"(?m)^(ebb: )?ebb[a-z -]*: --([a-z]+): ", r"\2: "),
    (r"(?m)^(ebb: )?--tls-(cert|key|ca): ", "tls: "),
    (r"allow its folder by --allow-plugins", 'allow its folder by plugins=["FOLDER"]'),
    (r"(?m)^ebb[a-z -]* --help has all flags\n?", ""),
)
_USAGE = 2  # The exit code of a request that was refused.
_AWAY = 75  # `ebb data fetch` ends with it where a bucket does not answer.
_ABSENT = ("there is no job ", "No such file", " is not there")


@dataclass(frozen=True)
class Access:
    """How to reach a cluster. EBB_* variables give what is left out."""

    scheduler: Optional[str] = None
    tls: Optional[Tls] = None
    token_file: Optional[str] = None
    insecure: bool = False
    #: Which certificate of a folder: "client", or "worker" to join a job.
    role: str = "client"
    #: A cluster of this process: EBB_* variables say nothing about it.
    own: bool = False
    #: Seconds to wait for daemons that are away.
    patience_s: float = 0.0

    @property
    def address(self) -> str:
        """HOST:PORT of the scheduler."""
        return self.scheduler or os.environ.get("EBB_SCHEDULER") or "127.0.0.1:7000"

    def flags(self, submits: bool = False, of_job: bool = False) -> List[str]:
        """The flags of a command that asks the cluster.

        submits: the command writes the token's file, which need not be there before.
        of_job: the command is about a job that is there. Raises Refused if the
            file of its token is not.
        """
        flags = ["--scheduler", self.address, *self.security_flags()]
        if self.token_file is None:
            return flags
        if submits or os.path.exists(self.token_file):
            return [*flags, "--token-file", self.token_file]
        if of_job and self._speaks_tls:  # Else jobs have no tokens.
            raise Refused(
                f"token_file={self.token_file}: there is no such file",
                "a submission writes it; without token_file= the one that this user has is taken",
            )
        return flags

    @property
    def _speaks_tls(self) -> bool:
        return self.tls is not None or (not self.own and "EBB_TLS_CERT" in os.environ)

    def environment(self) -> Optional[Dict[str, str]]:
        """The environment of a command; None: that of this process."""
        return own_environment() if self.own else None

    def security_flags(self) -> List[str]:
        """The same without the scheduler and the token."""
        flags: List[str] = []
        if self.tls is not None:
            certificate, key, authority = tls_files(self.tls, self.role)
            flags += ["--tls-cert", certificate, "--tls-key", key]
            flags += ["--tls-ca", authority]
        if self.insecure:
            flags.append("--insecure")
        return flags


def flags_of_plugins(folders: Sequence[str]) -> List[str]:
    """The flags that allow these folders, which may be relative."""
    return [word for folder in folders for word in ("--allow-plugins", folder)]


def own_environment() -> Dict[str, str]:
    """The environment of this process without flags of ebb's programs."""
    return {key: value for key, value in os.environ.items() if not _is_flag(key)}


def _is_flag(variable: str) -> bool:
    return variable.startswith("EBB_") and variable not in _NO_FLAGS


def known_token(number: int) -> Optional[str]:
    """Returns the file with the token of a job that this user submitted."""
    state = os.environ.get("XDG_STATE_HOME")
    if not state:
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    path = os.path.join(state, "ebb", "tokens", f"{number}.token")
    return path if os.path.exists(path) else None


def tls_files(tls: Tls, role: str = "client") -> Tuple[str, str, str]:
    """Returns the paths of certificate, key and authority."""
    if isinstance(tls, str):
        if os.path.isdir(tls):
            tls = os.path.join(tls, role)
        folder = os.path.dirname(tls) or "."
        return f"{tls}.pem", f"{tls}.key", os.path.join(folder, "ca.pem")
    certificate, key, authority = tls
    return certificate, key, authority


def call(
    arguments: Sequence[str],
    *,
    answers: Sequence[int] = (0,),
    names: Sequence[Tuple[str, str]] = (),
    environment: Optional[Mapping[str, str]] = None,
    timeout: Optional[float] = None,
    patience_s: float = 0.0,
) -> str:
    """Runs ``ebb ARGUMENTS``, and returns what it printed.

    Daemons that are away are asked again for ``patience_s`` seconds.

    answers: exit codes that come with an answer.
    names: see renamed().
    timeout: seconds.

    Raises Refused, NotFound, Unavailable or Error with the program's own text.
    Warnings of the program become warnings.
    """
    deadline = time.monotonic() + patience_s
    while True:
        done = _run(arguments, environment, timeout)
        away = done.returncode != 0 and any(one in done.stderr for one in _PASSING)
        if not away or time.monotonic() >= deadline:
            break
        time.sleep(_AGAIN_S)
    told = renamed(done.stderr, names)
    if done.returncode in answers and (done.returncode == 0 or done.stdout):
        _warn(told)
        return done.stdout
    raise error_of_text(told, done.returncode, arguments[0])


def renamed(told: str, names: Sequence[Tuple[str, str]]) -> str:
    """Returns messages in the caller's words.

    names: pairs of a regular expression for a text in messages, and what the caller
        knows it by.
    """
    for pattern, word in _WORDS:
        told = re.sub(pattern, word, told)
    for pattern, name in names:
        told = re.sub(pattern, name.replace("\\", r"\\"), told)
    return told


def _run(
    arguments: Sequence[str],
    environment: Optional[Mapping[str, str]],
    timeout: Optional[float],
) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            [programs.path_of("ebb"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"ebb {arguments[0]}: no answer within {timeout:g} s"
        ) from None


def call_json(arguments: Sequence[str], **options: Any) -> Any:
    """The same for a command with ``--json``; returns the parsed answer."""
    return json.loads(call([*arguments, "--json"], **options))


def error_of_text(told: str, exit_code: int, command: str) -> Error:
    """Returns the error for what a command wrote to its standard error."""
    # Two keys may have one name for the caller, and so the same line.
    lines = [line for line, _ in itertools.groupby(told.splitlines()) if line.strip()]
    hints = [line[len(_HINT) :] for line in lines if line.startswith(_HINT)]
    # With one mistake its hint is the error's. Several stay each with its own.
    hint = hints[0] if len(hints) == 1 and lines[-1].startswith(_HINT) else None
    if hint is not None:
        lines.pop()
    message = "\n".join(lines)
    if message.startswith("ebb: "):
        message = message[len("ebb: ") :]
    if not message:
        message = f"ebb {command} ended with exit code {exit_code}"
    return _kind_of(message, exit_code)(message, hint)


def _kind_of(message: str, exit_code: int) -> Type[Error]:
    if exit_code == _AWAY:
        return Unavailable
    if exit_code == _USAGE:
        absent = any(text in message for text in _ABSENT)
        return NotFound if absent else Refused
    away = (
        _NOBODY,
        "Connection refused",
        "does not answer",
        "did not answer",
        "no answer",
        "broke before its answer",
        "takes no requests",
    )
    return Unavailable if any(text in message for text in away) else Error


def warn(text: str) -> None:
    """Warns where the caller's code calls this package."""
    warnings.warn(text, Warning, stacklevel=_users_level())


def _warn(told: str) -> None:
    for line in told.splitlines():
        for front in ("warning: ", "ebb: "):
            if line.startswith(front):
                warn(line[len(front) :])


def _users_level() -> int:
    """Returns the level, for the caller's warnings, of the first frame outside of ebb."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
