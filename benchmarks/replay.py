"""A million stored answers held against two sets of thresholds: seconds, and the most memory it took.

    python -m benchmarks.replay [--rows 1000000] [--folder DIR] [--url postgresql://...] [--keep]

The store is filled with synthetic answers of 90 days: 3 units, a fifth of the ECGs without a person, the others of
people with several, one in a hundred recorded long before it came. Both sets have hysteresis and four overrides. The
replay runs as `ecgd thresholds replay` would, in a process of its own, so that its memory is its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from store.database import Database, migrate, open_database
from store.tables import arrivals, findings, scores

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 90
THRESHOLDS = """
thresholds:
  hysteresis: {{arrest: 0.02, potassium: 0.2, within_h: 12}}
  arrest: {{moderate: 0.05, high: {high}}}
  overrides:
    - {{name: paced, when: {{paced: true}}, arrest: {{high: 0.4}}}}
    - {{name: children, when: {{age: {{below: 18}}}}, arrest: {{high: 0.3}}, potassium: {{severe_high: 6.8}}}}
    - {{name: dialysis, when: {{unit: DIALYSIS}}, potassium: {{severe_high: 6.9}}}}
    - {{name: old-carts, when: {{device: "*MAC 5*", door: hl7}}, arrest: {{high: 0.25}}}}
"""


def fill(database: Database, rows: int) -> None:
    """Half the rows arrest, half potassium, one of each an ECG."""
    rng = np.random.default_rng(7)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    with database.write() as connection:
        arrival = {"key": "a", "sha256": "0" * 64, "format": "dicom", "source": "dicom:A", "size": 1}
        connection.execute(arrivals.insert().values(**arrival, received_at=NOW, payload=b"x", id=1))
        finding = {"part": 1, "key": "f" * 32, "lease": 1, "assessments": 2, "abstentions": 0, "messages": 0}
        finding |= {"thresholds_sha256": "0" * 64, "decided_at": NOW, "facts": {}, "arrival_id": 1, "id": 1}
        connection.execute(findings.insert().values(**finding))
    ecgs = rows // 2
    decided = np.sort(rng.uniform(0, DAYS * 86_400, ecgs))
    late = np.where(rng.random(ecgs) < 0.01, rng.exponential(86_400, ecgs), rng.exponential(120, ecgs))
    people = np.where(rng.random(ecgs) < 0.2, -1, (ecgs // 6 * rng.beta(1, 2, ecgs)).astype(int))
    unit = rng.choice(["ED", "ICU", "DIALYSIS"], ecgs, p=[0.6, 0.3, 0.1])
    device = rng.choice(["GE MAC 5500 1", "GE MAC VU360 2", "Philips TC70 3"], ecgs)
    age, paced, door = rng.uniform(0, 100, ecgs), rng.random(ecgs) < 0.05, rng.choice(["dicom", "hl7"], ecgs)
    values = {"arrest": rng.beta(0.5, 12, ecgs), "potassium": np.clip(rng.normal(4.3, 0.7, ecgs), 1.5, 7.5)}
    began = NOW - timedelta(days=DAYS)
    for start in range(0, ecgs, 20_000):
        made = []
        for n in range(start, min(start + 20_000, ecgs)):
            at = began + timedelta(seconds=float(decided[n]))
            shared = {
                "finding_id": 1,
                "arrival_id": n + 1,
                "decided_at": at,
                "recorded_at": max(at - timedelta(seconds=float(late[n])), epoch),
                "person": "" if people[n] < 0 else f"{people[n]:032x}",
                "unit": str(unit[n]),
                "age_years": float(age[n]),
                "sex": "unknown",
                "device": str(device[n]),
                "door": str(door[n]),
                "paced": bool(paced[n]),
                "bundle_sha256": "a" * 64,
                "mode": "alert",
                "level": "normal",
                "severity": 0,
                "rule": "",
                "stands": True,
            }
            made += [
                shared | {"model": f"model-{output}", "output": output, "value": float(column[n])}
                for output, column in values.items()
            ]
        with database.write() as connection:
            connection.execute(sa.insert(scores), made)


def most_mib() -> int:
    """The most this process has held; getrusage would count what its parent held when it was made."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


def measured(folder: Path, url: str) -> None:
    """In a process of its own: the report, and what it took."""
    from config.load import load
    from ecgd.replay import Wanted, report

    settings, new = load(folder / "ecgd.yaml"), load(folder / "new.yaml")
    database = open_database(settings.store.model_copy(update={"url": url}), folder)
    wanted = Wanted(
        now=settings.thresholds, then=new.thresholds, since=NOW - timedelta(days=DAYS), until=NOW, zone="Europe/Berlin"
    )
    idle = most_mib()
    began, processor = time.perf_counter(), time.process_time()
    found = report(database, wanted)
    facts = {
        "seconds": round(time.perf_counter() - began, 2),
        "processor_s": round(time.process_time() - processor, 2),
        "memory_mib": most_mib(),
        "idle_mib": idle,
        "now": sum(unit["now"] for risk in found["risks"].values() for unit in risk["units"]),
        "then": sum(unit["then"] for risk in found["risks"].values() for unit in risk["units"]),
    }
    print(json.dumps(facts))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url", default="sqlite:///ecgd.db")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--keep", action="store_true", help="measure a folder that was filled before")
    asked = parser.parse_args()
    if asked.measure:
        measured(asked.folder, asked.url)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, high in (("ecgd.yaml", 0.2), ("new.yaml", 0.25)):
            (folder / file).write_text(f"state_dir: {folder}\n" + THRESHOLDS.format(high=high))
        if not asked.keep:
            from config.load import load

            database = open_database(load(folder / "ecgd.yaml").store.model_copy(update={"url": asked.url}), folder)
            migrate(database)
            fill(database, asked.rows)
            database.close()
        command = [sys.executable, "-m", "benchmarks.replay", "--measure", "--folder", str(folder), "--url", asked.url]
        for _ in range(3):
            print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


if __name__ == "__main__":
    main()
