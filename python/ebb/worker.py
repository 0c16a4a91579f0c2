"""The program that an ebb-worker starts to compute a model of Python (docs/python-models.md).

The worker hands over the bytes of the module, and then batch after batch in a
memory file (docs/formats/computer.md). This process reads no file of the
module. It ends when the worker closes the socket, however the worker ends.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import traceback
from typing import Any

from ebb import seam
from ebb.errors import NotFound
from ebb.worker_link import DataError, Ended, Link, shared_memory


def _serve(link: Link, model: Any) -> None:
    """Computes what the worker offers. ``model`` is an ebb.torch.hosted.Hosted."""
    kind, body, file = link.receive()
    assert kind == seam.SHARED, kind
    model.begin(shared_memory(body, file))
    link.send(seam.NEXT)
    while True:
        kind, body, file = link.receive()
        if kind == seam.SHARED:
            model.move(shared_memory(body, file))
        elif kind == seam.BATCH:
            _compute(link, model, body)
            link.send(seam.NEXT)
        elif kind == seam.EVALUATE:
            _evaluate(link, model, body)
            link.send(seam.NEXT)
        elif kind == seam.END:
            raise Ended


def _compute(link: Link, model: Any, body: memoryview) -> None:
    ticket, epoch, shard, begin, end, *_ = seam.BATCH_BODY.unpack_from(body)
    try:
        loss_sum = model.compute(epoch, shard, begin, end)
    except (Exception, SystemExit) as error:
        link.fail(ticket, model.explain(error), model.blame(end - begin))
    else:
        link.send(seam.PUSH, seam.PUSH_BODY.pack(ticket, loss_sum, 1.0))
    link.receive()  # Says whether it was taken: the worker knows what follows.


def _evaluate(link: Link, model: Any, body: memoryview) -> None:
    ticket, _, rows, labelled = seam.EVALUATE_BODY.unpack_from(body)
    loss_sum, correct, why = 0.0, -1, ""
    try:
        loss_sum, correct = model.evaluate(rows, bool(labelled))
    except (Exception, SystemExit) as error:
        why = model.explain(error)
    answer = seam.EVALUATED_BODY.pack(ticket, rows, loss_sum, correct, 0)
    link.send(seam.EVALUATED, answer + seam.text(why))
    link.receive()


def _work(link: Link) -> None:
    module = link.module()
    try:
        from ebb.torch import hosted
    except NotFound as error:
        link.fail(0, "; ".join(filter(None, (error.message, error.hint))))
        return
    try:
        model = hosted.Hosted(module)
    except (Exception, SystemExit) as error:
        place = error.place if isinstance(error, DataError) else None
        link.fail(0, hosted.explained(error, module), place)
        return
    link.describe(model.tables(), model.outputs, model.found())
    _serve(link, model)


def _end_with_the_worker(fd: int) -> None:
    """Ends this process when the other end closes, whatever the module does then."""
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)  # POLLHUP always counts, too.
    poll.poll()
    os._exit(0)


def main(fd: int) -> None:
    """Serves the worker at the other end of this socket, and ends this process."""
    threading.Thread(target=_end_with_the_worker, args=(fd,), daemon=True).start()
    code = 0
    try:
        _work(Link(fd))
    except Ended:
        pass
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    # Nothing is cleaned up by libraries: it ends with the process.
    os._exit(code)
