"""Recorded spot markets (CSV t_s,op,node)."""


def peak(trace: str) -> int:
    """Returns the most machines at a time. `ebb chaos` says what is wrong with a trace."""
    there = most = 0
    for line in trace.splitlines():
        op = line.split(",")[1:2]
        there += 1 if op == ["add"] else -1 if op == ["remove"] else 0
        most = max(most, there)
    return most
