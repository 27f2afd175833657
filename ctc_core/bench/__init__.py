"""How fast the desk's path is, beside what the method needs without engineering, measured in the same run.

`python -m ctc_core bench` starts one process for each way of computing, lets them take turns on the same frames, and
reports medians, ratios with their spread, and how nearly the results agree.
"""
