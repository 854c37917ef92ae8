"""From a manifest of ECGs to a bundle: recipe, cohort, split, augmentation, loop, calibration, card."""
