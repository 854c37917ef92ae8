"""The periodic jobs."""

from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler

from ecgd import loop


def schedule(jobs: dict[str, tuple[float, Callable[[], object]]]) -> BackgroundScheduler:
    """Start ``name -> (every s, what)``; a run that is late is run once, two never overlap, a failure is logged."""
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    for name, (every_s, what) in jobs.items():
        scheduler.add_job(loop.guarded(what), "interval", seconds=every_s, id=name, misfire_grace_time=None)
    scheduler.start()
    return scheduler
