"""Speed, each as a ratio to a named peer or to the machine's limit in the same run."""

import ecgd  # noqa: F401  # threads as in the program, before numpy is imported
