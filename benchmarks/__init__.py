"""What nbtrack costs, measured: ``python -m benchmarks [name …]``.

Every module but the helpers measures one thing against a stated baseline, in the same
process or on the same machine within the same minute. Nothing here asserts a time.
"""
