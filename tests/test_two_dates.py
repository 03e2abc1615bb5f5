"""Two dates of one country: where a cell's score changed, OpenStreetMap changed, and in the way that the score says.

Ten cells of Liechtenstein with different scores in 2021 and 2022. `ucid explain` names the places that count on each
date; osmium-tool, which knows nothing of ucid, looks the same objects and streets up in the two extracts.
"""

import csv
import json
import shutil
import subprocess

import pytest
from conftest import data, ucid

REACH_DEG = 0.016  # over 1,200 m in latitude; more than enough in longitude when doubled


def rows(path):
    with open(path, newline="") as file:
        return {row["h3"]: row for row in csv.DictReader(file)}


def places(index, lat, lon):
    """{(type, id): (part, tag, metres)} of all places in reach."""
    report = json.loads(ucid("explain", "--index", index, "--json", "--", lat, lon).stdout)
    return {
        (place["osm_type"], place["osm_id"]): (part["key"], place["tag"], place["distance_m"])
        for part in report["parts"]
        for place in part["places"]
    }


def objects(command, extract, *words):
    """{first word of the line, such as n123: the object's text without version and date} by osmium-tool."""
    line = ["osmium", command, "-f", "opl,add_metadata=false", extract, *words]
    result = subprocess.run(line, capture_output=True, text=True)
    assert not (command == "tags-filter" and result.returncode), result.stderr  # getid ends with 1 where one is missing
    return {line.split(" ", 1)[0]: line for line in result.stdout.splitlines()}


def streets(extract, lat, lon, folder):
    """Streets about a place: {w123: its text}, and the nodes that they have, so that moved ones show."""
    box = folder / "box.osm.pbf"
    corners = f"{lon - 2 * REACH_DEG},{lat - REACH_DEG},{lon + 2 * REACH_DEG},{lat + REACH_DEG}"
    subprocess.run(["osmium", "extract", "-O", "-o", box, "-b", corners, extract], check=True, capture_output=True)
    return objects("tags-filter", box, "w/highway")


@pytest.mark.skipif(shutil.which("osmium") is None, reason="osmium-tool is missing")
def test_changed_scores_are_changes_of_the_map(tmp_path):
    extracts = [data(f"liechtenstein/liechtenstein-{year}.osm.pbf") for year in (2021, 2022)]
    tables, indexes = [], []
    for number, extract in enumerate(extracts):
        index, table = tmp_path / f"{number}.ucidx", tmp_path / f"{number}.csv"
        ucid("index", "build", extract, "-o", index, "-q")
        ucid("grid", "--res", "9", "--index", index, "-o", table, "-q", check=False)
        indexes.append(index)
        tables.append(rows(table))
    common = [cell for cell in tables[0] if cell in tables[1] and tables[0][cell]["score"] and tables[1][cell]["score"]]
    changed = [cell for cell in common if tables[0][cell]["score"] != tables[1][cell]["score"]]
    assert 10 <= len(changed) < len(common) / 2, "a year changes some of a country, not most of it"
    by_change = sorted(changed, key=lambda c: (-abs(float(tables[1][c]["score"]) - float(tables[0][c]["score"])), c))
    sample = by_change[:5] + by_change[5 :: max(1, (len(by_change) - 5) // 5)][:5]
    assert len(sample) == 10
    for cell in sample:
        lat, lon = tables[0][cell]["lat"], tables[0][cell]["lon"]
        old, new = (places(index, lat, lon) for index in indexes)
        differing = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
        assert differing, f"{cell}: the score changed, but no place and no distance did"
        only_one_date = [key for key in differing if (key in old) != (key in new) or old[key][:2] != new[key][:2]]
        wanted = [f"{kind}{number}" for kind, number in only_one_date]
        mapped = [objects("getid", extract, *wanted) if wanted else {} for extract in extracts]
        edited = [name for name in wanted if mapped[0].get(name) != mapped[1].get(name)]
        if len(edited) == len(wanted) and wanted:
            continue  # every place that came or went was mapped, removed or edited
        # The others are the same on both dates, so the walk to them is not: streets within reach were edited.
        ways = [streets(extract, float(lat), float(lon), tmp_path) for extract in extracts]
        assert ways[0] != ways[1], f"{cell}: {sorted(set(wanted) - set(edited))} changed, but neither they nor a street"
