"""P1: the form of an object of the chain, and what a whole chain must be."""

from typing import NamedTuple

from bucket import checksum


class Body(NamedTuple):
    """An object of the chain. Its dictionaries are by partition of the topic."""
    first: int  # The first number.
    messages: tuple  # (partition, offset, identity, settings), in order.
    absent: int  # Numbers after the messages that have none.
    ranges: dict  # [begin, end) of the offsets that it covers.
    ends: dict  # The ends of all partitions so far.
    lost: dict  # [begin, end) that retention had deleted before.
    anchors: dict  # (offset, identity) of the last message so far.
    topics: dict  # The identity of the topic.
    unverified: tuple  # Partitions whose anchor was gone, so compared with nothing.
    before: int  # The hash of the object before.
    end: bool  # Nothing comes after it.
    eras: dict  # For the check alone: what was read in which era.

    @property
    def next(self):
        return self.first + len(self.messages) + self.absent

    def hash(self):
        return checksum((self.first, self.messages, self.ranges, self.before))


NOTHING = Body(0, (), 0, {}, {}, {}, {}, {}, (), 0, False, {})


def is_over(chain):
    """Returns whether a feeder that goes on has nothing to do."""
    place = max((name[1] for name in chain.bucket.objects if name != "about"),
                default=-1)
    newest = chain.bucket.get(("chain", place)) or NOTHING
    fed = all(newest.ends.get(p, 0) == len(partition.now.entries)
              for p, partition in enumerate(chain.topic))
    if chain.ends_at is not None and chain.told is None:
        return chain.paused and chain.steps > 1500
    return fed or newest.end or chain.paused


def check(chain):
    """Returns what is wrong with the whole chain, or ""."""
    settings, at, newest = chain.bucket.get("about"), {}, NOTHING
    places = sorted(name[1] for name in chain.bucket.objects if name != "about")
    if places != list(range(len(places))):
        return "gap: a place is absent"
    for place in places:
        body = chain.bucket.get(("chain", place))
        if newest.end:
            return "end: an object comes after it"
        wrong = check_object(chain, newest, body, at, settings)
        if wrong:
            return f"{wrong} (place {place})"
        newest = body
    if chain.told is not None and not (newest.end and chain.told == place):
        return "end: it was told, and is not there"
    if chain.ends_at is not None and chain.told is None:
        return "live: nobody heard of the end"
    if not is_over(chain):
        return "live: something is not fed"
    if chain.paused and not chain.loses:
        return "live: a feeder paused without a reason"
    return ""


def check_object(chain, newest, body, at, settings):
    if body.first != newest.next:
        return "numbers: they do not follow each other"
    if body.before != newest.hash():
        return "hash: it is not that of the object before"
    wanted = []
    for p, (begin, end) in body.ranges.items():
        if begin != at.get(p, (0, 0))[0]:
            return "range: it does not follow the one before"
        number, eras = body.eras[p], chain.topic[p].eras
        other = body.topics[p] != newest.topics.get(p, body.topics[p])
        if (other or p not in body.unverified) and is_mixed(
                eras[at.get(p, (0, 0))[1]:number + 1], begin):
            return "mixed: it feeds on where the topic lost what the set has"
        lost = body.lost.get(p, (begin, begin))
        if not begin <= lost[1] <= max(eras[number].first, begin):
            return "lost: more than retention deleted"
        era = eras[number]
        wanted += [(p, offset, era.entries[offset].identity, settings)
                   for offset in range(lost[1], end)
                   if era.entries[offset].kind == "message"]
        at[p] = (end, number)
    if body.ends != {p: end for p, (end, _) in at.items()}:
        return "ends: they are not those of all partitions"
    if sorted(body.messages) != sorted(wanted):
        return "content: it is not that of its ranges"
    return ""


def is_mixed(eras, begin):
    """Returns whether the last era has other messages below than the first."""
    cut = min((era.cut for era in eras[1:]), default=begin)
    one, other = ([entry for entry in era.entries[cut:begin]
                   if entry.kind == "message"] for era in (eras[0], eras[-1]))
    return one != other
