"""How well ECGs are read, part by part, against ground truth: the tables of docs/reading.md."""
