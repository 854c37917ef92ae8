"""A picture of a page back into ink: upright -> grid -> ink -> rows -> traces -> labels, for ``adapters.pages``.

Pixels, x to the right, y downwards, until ``page.drawn`` hands on pt.
"""
