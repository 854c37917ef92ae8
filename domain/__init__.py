"""The words everything else speaks: frozen values, numpy and the standard library only."""
