"""Takes one guard after the other out of a copy of the product and sees which test misses it.

`python -m tests.ablation.run` goes through the table in `guards.py`. The product itself has no
switch for any of this: the copy is edited.
"""
