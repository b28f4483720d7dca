"""Runs on disk, read back: lists of runs, their history as frames, comparisons."""
