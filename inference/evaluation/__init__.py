"""How good a model is: the papers' tables, with intervals, from a CSV of predictions."""
