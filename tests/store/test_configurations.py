from store.configurations import history, keep


def _keep(database, clock, sha256, **texts):
    return keep(
        database, sha256=sha256, content={"arrest": {"high": 0.2}}, texts=texts, changes=("a -> b",), now=clock()
    )


def test_thresholds_are_kept_when_they_come_into_force_and_not_again_while_they_are(database, clock):
    assert _keep(database, clock, "a", **{"ecgd.yaml": "thresholds: {}\n"})
    assert not _keep(database, clock, "a")
    assert _keep(database, clock, "b")
    assert _keep(database, clock, "a")
    latest, *_, first = history(database)
    assert ([one.sha256 for one in history(database)], history(database, 1)) == (["a", "b", "a"], (latest,))
    assert (first.texts, first.changes, first.made_at) == ({"ecgd.yaml": "thresholds: {}\n"}, ["a -> b"], clock())
