"""What our code costs beside the least that the work can cost, and beside the plain way: run as a module.

``python -m tests.benchmarks``; pytest collects nothing here.
"""
