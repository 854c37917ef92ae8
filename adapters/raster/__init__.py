"""A picture of a page back into ink, for ``adapters.pages``.

Pixels, x to the right, y downwards, until ``page`` hands on pt. Who does what:

scan                             bytes -> picture
lattice, fifths; unruled         picture -> upright, px a mm: by its ruling; by its pulses and print
strokes, flanks, clearing        darkness -> runs of ink, without specks and without what names cover
fonts, likeness                  what names and print look like, and how alike two pictures are
letters                          lead names that stand free
order, stencil, crossed, lone    lead names under waves
phrases, writing, printed        speed and gain
rows, follow, crossings          runs -> each row's path
shape, joined                    path -> the pen's curve, and the calibration pulse
columns, joins                   where columns begin, whose the ink there is
page, reading                    all of it -> ``Ink`` -> leads, or why not
"""
