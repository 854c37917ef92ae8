"""The configuration: one frozen tree, validated whole."""
