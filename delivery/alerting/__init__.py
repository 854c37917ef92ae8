"""Who is told of which alert, when, again, and who next: small pieces, each pure, joined in ``plan``."""
