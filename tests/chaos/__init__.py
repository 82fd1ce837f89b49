"""Real processes, real faults, and a checker that replays what was promised.

`make chaos SEED=1` runs the long version; `test_chaos.py` a short one.
"""
