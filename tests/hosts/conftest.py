collect_ignore = ["booking"]  # a host with tests of its own, which tests/test_tutorial.py runs
